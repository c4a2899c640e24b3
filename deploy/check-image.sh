#!/usr/bin/env bash
# Looks into trigrun:latest, as buildah built it: nobody is root in it, there is no shell, nothing can be written, and the processes start all
# the same. Ends non-zero at the first thing that is not so. Needs root.
set -euo pipefail
user=$(buildah inspect --type image --format '{{.OCIv1.Config.User}}' trigrun:latest)
[[ $user == 65534:65534 ]] || { echo "the image runs as '$user', not as nobody"; exit 1; }
container=$(buildah from trigrun:latest)
trap 'buildah umount "$container" >/dev/null; buildah rm "$container" >/dev/null' EXIT
root=$(buildah mount "$container")

programs=$(find "$root" -type f -perm /111 -not -name '*.so*' -printf '%f\n' | sort | tr '\n' ' ')
[[ $programs == 'trigrun-api trigrun-executor trigrun-scheduler ' ]] || { echo "the image has other programs: $programs"; exit 1; }
loose=$(find "$root" -xdev \( -perm /6000 -o -type f -perm /022 -o -type d -perm /002 \))
[[ -z $loose ]] || { echo "may be written by others, or changes who one is: $loose"; exit 1; }

# Read-only, as nobody, who gains no rights: as a careful Kubernetes would run it.
enclosed=(unshare --mount bash -c 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && shift 0
  exec setpriv --no-new-privs chroot --userspec=65534:65534 "$0" "$@"' "$root")
for program in trigrun-api trigrun-scheduler trigrun-executor; do
    version=$("${enclosed[@]}" "/bin/$program" --version)
    [[ $version == "$program "* ]] || { echo "$program does not start: $version"; exit 1; }
done
document=$("${enclosed[@]}" /bin/trigrun-api openapi)
[[ $document == *'"openapi"'* ]] || { echo "trigrun-api does nothing"; exit 1; }
echo "the image: as nobody, read-only, without a shell; $(du -sm "$root" | cut -f1) MB"
