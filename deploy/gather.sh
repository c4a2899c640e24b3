#!/usr/bin/env bash
# Gathers what an image of the three processes needs into DIRECTORY: the binaries without symbols, the libraries they link to, the roots of TLS.
# Usage: gather.sh BINARIES DIRECTORY
set -euo pipefail
binaries=$1 image=$2
rm -rf "$image"
mkdir -p "$image/bin" "$image/etc/ssl/certs"
for name in trigrun-api trigrun-scheduler trigrun-executor; do
    strip -o "$image/bin/$name" "$binaries/$name"
    # Lines of ldd(1): `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)`, and the loader by its path alone.
    ldd "$binaries/$name" | grep -o '/[^ ]*' | while read -r library; do
        install -D "$(realpath "$library")" "$image$library"
    done
done
cp /etc/ssl/certs/ca-certificates.crt "$image/etc/ssl/certs/"
echo 'trigrun:x:65532:65532::/:' > "$image/etc/passwd"
