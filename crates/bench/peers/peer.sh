#!/bin/sh
# Runs peer.mjs with the Node that `npm ci` has brought along (some peers need 22), in this process: signals and CPU are Node's own.
here=$(dirname "$0")
case $(uname -m) in
    x86_64) machine=x64 ;;
    aarch64) machine=arm64 ;;
esac
exec "$here/node_modules/node-linux-$machine/bin/node" "$here/peer.mjs" "$@"
