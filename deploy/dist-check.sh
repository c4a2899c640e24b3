#!/usr/bin/env bash
# Installs the Debian packages of target/dist in a new Debian 12 (a chroot in target/dist-chroot, as root), checks the units, runs the
# programs, and removes and purges the packages again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
CHROOT=$PWD/target/dist-chroot
# Of `systemd-analyze security`, in tenths.
MAX_EXPOSURE=12

[[ $(id -u) == 0 ]] || { echo "dist-check.sh needs root, for a chroot" >&2; exit 1; }
command -v debootstrap > /dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends debootstrap; }
if [[ ! -e $CHROOT/ready ]]; then
    rm -rf "$CHROOT"
    debootstrap --variant=minbase --include=systemd,ca-certificates bookworm "$CHROOT" > target/dist-chroot.log
    touch "$CHROOT/ready"
fi
mountpoint -q "$CHROOT/proc" || mount -t proc proc "$CHROOT/proc"
trap 'umount "$CHROOT/proc"' EXIT
inside() { chroot "$CHROOT" "$@"; }
fail() { echo "$*" >&2; exit 1; }

(cd target/dist && sha256sum --quiet --check SHA256SUMS)
rm -rf "$CHROOT/packages" && mkdir "$CHROOT/packages" && cp target/dist/*.deb "$CHROOT/packages"
inside bash -c 'dpkg --install /packages/*.deb'
for program in $(cd target/dist-stage/bin && ls | grep -v admin); do inside "$program" --version; done

inside bash -c 'systemd-analyze verify /usr/lib/systemd/system/trigrun-*.service'
for unit in api scheduler executor migrate; do
    inside systemd-analyze security --offline=true --threshold=$MAX_EXPOSURE --no-pager "/usr/lib/systemd/system/trigrun-$unit.service" | tail -n 1
done

keys=$(inside cat /etc/trigrun/keys.env)
[[ $(inside stat -c %a /etc/trigrun/keys.env /etc/trigrun/trigrun.env | sort -u) == 600 ]] || fail "others can read the settings"
inside bash -c 'dpkg --install /packages/*.deb' > /dev/null
[[ $(inside cat /etc/trigrun/keys.env) == "$keys" ]] || fail "an upgrade has changed the master key"
inside bash -c 'dpkg --purge $(dpkg-query --show --showformat="\${Package} " "trigrun-*")'
[[ $(inside ls /etc/trigrun) == keys.env ]] || fail "a purge leaves other files in /etc/trigrun than the master key"
inside rm -r /etc/trigrun
echo "the packages can be installed, upgraded and purged"
