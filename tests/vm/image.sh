#!/usr/bin/env bash
# Builds what the guests boot from: a Debian 12 root file system with systemd, its kernel and its initrd.
#
#   tests/vm/image.sh DIRECTORY      makes DIRECTORY/{root.ext4,vmlinuz,initrd.img}; done once
#
# Needs root and the Debian package sources of this machine.
set -euo pipefail
self=$(realpath "$0")
[ $# = 1 ] || { sed -n '2,6s/^# \{0,1\}//p' "$self"; exit 2; }
directory=$(realpath -m "$1")
cd "$(dirname "$self")"

# A change of this script, or of what it is given, makes the image anew.
made_from=$(cat "$self" control.sh | sha256sum | cut -d' ' -f1)
[ "$(cat "$directory/made-from" 2>/dev/null)" != "$made_from" ] || exit 0
rm -rf "$directory"
mkdir -p "$directory"
root=$(mktemp -d)
trap 'rm -rf --one-file-system "$root"' EXIT

# The daemons' libraries (docs/operating.md), and what a host has anyway.
packages=(
  systemd-sysv udev kmod dbus polkitd linux-image-cloud-amd64 initramfs-tools iproute2 procps
  libcpp-httplib0.11 libgrpc++1.51 libnlopt0 libpfm4 libprometheus-cpp-core1.0 libprotobuf32 libspdlog1.10 libsystemd0
  libyaml-cpp0.7 libsoci-core4.0 libsoci-sqlite3-4.0 libbpf1
  # What levers are tried on.
  fio libhiredis0.14 libre2-9
)
sources() {
  apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
    sort -u
}
[ -n "$(sources)" ] || apt-get update -q
log=$directory/mmdebstrap.log
# The settings of this machine's apt, such as a proxy, hold for the guest's packages too. The root user of a guest needs
# no password, and its network is the one of slirp.
if ! sources | mmdebstrap --variant=minbase --include="$(IFS=,; echo "${packages[*]}")" \
  --setup-hook='mkdir -p "$1/etc/apt" && cp -a /etc/apt/apt.conf.d "$1/etc/apt/"' \
  --customize-hook='echo guest >"$1/etc/hostname"' \
  --customize-hook='printf "[Match]\nName=e*\n[Network]\nDHCP=ipv4\n" >"$1/etc/systemd/network/any.network"' \
  --customize-hook='chroot "$1" systemctl enable systemd-networkd' \
  --customize-hook='chroot "$1" systemctl mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer systemd-networkd-wait-online.service getty@tty1.service' \
  --customize-hook='install -m 0755 control.sh "$1/usr/local/sbin/vm-control"' \
  --customize-hook='printf "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/usr/local/sbin/vm-control\nRestart=always\n[Install]\nWantedBy=multi-user.target\n" >"$1/etc/systemd/system/vm-control.service"' \
  --customize-hook='chroot "$1" systemctl enable vm-control' \
  bookworm "$root" - >"$log" 2>&1; then
  tail -20 "$log" >&2
  echo "image.sh: mmdebstrap could not make the guest's root" >&2
  exit 1
fi
cp "$root"/boot/vmlinuz-* "$directory/vmlinuz"
cp "$root"/boot/initrd.img-* "$directory/initrd.img"
rm -rf "$root"/boot/* "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,locale,man}
mke2fs -q -t ext4 -L root -d "$root" "$directory/root.ext4" 2G
echo "$made_from" >"$directory/made-from"
