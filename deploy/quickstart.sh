#!/usr/bin/env bash
# Truce's main job on this host, end to end: installs what it needs, builds, and runs a scene with real programs.
#
#   deploy/quickstart.sh           about two minutes after the build
#   deploy/quickstart.sh --keep    the same, then stays up to look around until Ctrl-C
#
# Works on a bare Debian 12 as root, and can be run again. It changes nothing outside its own cgroups, a directory below
# /tmp that it removes, and the build folder.
set -euo pipefail
cd "$(dirname "$0")/.."

keep=()
for argument in "$@"; do
  case $argument in
    --keep) keep=(--keep) ;;
    -h | --help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "quickstart.sh: unknown option $argument; try --help" >&2; exit 2 ;;
  esac
done
if [ "$(id -u)" != 0 ]; then
  echo "quickstart.sh: cgroups can be made by root only; run it as root" >&2
  exit 1
fi

echo "1/3 packages"
deploy/install-packages.sh build scene
echo "2/3 build (some minutes the first time)"
deploy/build.sh release -DTRUCE_BUILD_TESTS=OFF -- truce-agent truce-controller trucectl truce-lab
echo "3/3 scene"
build/bin/truce-lab scene "${keep[@]}"
[ ${#keep[@]} -gt 0 ] || cat <<'NEXT'

Next: deploy/quickstart.sh --keep      the same, and it stays up to look around with trucectl
      docs/operating.md                put it on hosts of yours: certificates, configuration, systemd units
NEXT
