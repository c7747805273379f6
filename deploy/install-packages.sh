#!/usr/bin/env bash
# Installs the Debian packages of deploy/packages.txt that are not there yet.
#
#   deploy/install-packages.sh [build] [test] [scene] [lab] [vm]      default: the first three
set -euo pipefail
cd "$(dirname "$0")/.."

groups=("$@")
[ ${#groups[@]} -gt 0 ] || groups=(build test scene)
missing=()
while read -r package users; do
  [[ -z "$package" || "$package" == \#* ]] && continue
  wanted=
  for user in $users; do [[ " ${groups[*]} " == *" $user "* ]] && wanted=1; done
  [ -n "$wanted" ] || continue
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done <deploy/packages.txt
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ]; then
  echo "These Debian packages are missing; install them as root: apt-get install ${missing[*]}" >&2
  exit 1
fi
echo "Installing ${#missing[@]} Debian packages ..."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
if ! { apt-get update -q && apt-get install -yq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  tail -20 "$log" >&2
  echo "apt-get could not install: ${missing[*]}" >&2
  exit 1
fi
