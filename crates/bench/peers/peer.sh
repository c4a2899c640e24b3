#!/bin/sh
# Runs peer.mjs with the Node that `npm ci` installs (some peers need version 22), in this process, so that signals reach Node and its
# CPU time is counted.
here=$(dirname "$0")
case $(uname -m) in
    x86_64) machine=x64 ;;
    aarch64) machine=arm64 ;;
esac
exec "$here/node_modules/node-linux-$machine/bin/node" "$here/peer.mjs" "$@"
