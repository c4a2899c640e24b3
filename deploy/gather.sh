#!/usr/bin/env bash
# Copies the content of an image of the three processes to DIRECTORY: the stripped binaries, the libraries that they link to, and the
# TLS root certificates.
# Usage: gather.sh BINARIES DIRECTORY
set -euo pipefail
binaries=$1 image=$2
rm -rf "$image"
mkdir -p "$image/bin" "$image/etc/ssl/certs"
for name in trigrun-api trigrun-scheduler trigrun-executor; do
    strip -o "$image/bin/$name" "$binaries/$name"
    # Lines of ldd(1): `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)`, and the loader with its path only.
    ldd "$binaries/$name" | grep -o '/[^ ]*' | while read -r library; do
        install -D "$(realpath "$library")" "$image$library"
    done
done
cp /etc/ssl/certs/ca-certificates.crt "$image/etc/ssl/certs/"
echo 'trigrun:x:65532:65532::/:' > "$image/etc/passwd"
