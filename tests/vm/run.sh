#!/usr/bin/env bash
# Truce on machines with systemd and cgroup v2: two QEMU guests with the agent as a service each, and one controller
# outside them.
#
#   tests/vm/run.sh [BUILD-DIRECTORY]      default: build
#
# Needs what tests/run.sh builds, and the packages of the group vm. Software emulation: takes some ten minutes.
set -euo pipefail
cd "$(dirname "$0")/../.."

build=${1:-build}
case $build in -h | --help) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
[ -x "$build/bin/vm_test" ] || { echo "run.sh: there is no $build/bin/vm_test; run tests/run.sh first" >&2; exit 2; }

deploy/install-packages.sh vm
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
image=$build/vm-image
tests/vm/image.sh "$image"

# What is installed in the guests, as docs/operating.md has it.
stage=$work/stage
install -D -m 0755 "$build/bin/truce-agent" "$stage/usr/bin/truce-agent"
install -D -m 0755 "$build/bin/vm_levers" "$stage/usr/bin/vm-levers"
strip "$stage"/usr/bin/*
install -D -m 0644 -t "$stage/usr/share/truce/lever-pairs" lab/levers/pairs/*.yaml
install -D -m 0644 deploy/systemd/truce.sysusers "$stage/usr/lib/sysusers.d/truce.conf"
install -D -m 0644 deploy/systemd/truce.sysctl "$stage/usr/lib/sysctl.d/60-truce.conf"
install -D -m 0644 deploy/systemd/truce-agent.service "$stage/etc/systemd/system/truce-agent.service"
install -D -m 0644 deploy/polkit/50-truce-agent.rules "$stage/etc/polkit-1/rules.d/50-truce-agent.rules"
install -D -m 0644 models/pretrained/interference.truce "$stage/usr/share/truce/models/interference.truce"
install -D -m 0644 models/pretrained/demand.truce "$stage/usr/share/truce/models/demand.truce"
mke2fs -q -t ext4 -d "$stage" "$work/truce.ext4" 256M

TRUCE_VM_IMAGE=$image TRUCE_VM_DISK=$work/truce.ext4 "$build/bin/vm_test"
# A guest that is squeezed: what runs outside it is what is tested, so it is on this machine's own cgroups.
TRUCE_VM_IMAGE=$(realpath "$image") "$build/bin/agent_act_test" --gtest_filter='RealMachine.ItsGuest*'
