#!/usr/bin/env bash
# Builds Truce and runs its tests.
#
#   tests/run.sh                    release build, every test but the benchmarks and the machines of tests/vm
#   tests/run.sh --vm               then these machines too: two guests with systemd, ten minutes more
#   tests/run.sh asan | tsan | dev  the same with another preset
#   tests/run.sh -- -R planner      arguments after -- go to ctest
#
# Works on a bare Debian 12 as root, and can be run again.
set -euo pipefail
cd "$(dirname "$0")/.."

preset=release
machines=
if [ "${1:-}" = --vm ]; then machines=yes; shift; fi
case ${1:-} in
  release | dev | asan | tsan) preset=$1; shift ;;
  -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
  "" | --) ;;
  *) echo "run.sh: unknown argument $1; try --help" >&2; exit 2 ;;
esac
[ "${1:-}" != -- ] || shift

echo "1/3 packages"
deploy/install-packages.sh
echo "2/3 build ($preset)"
deploy/build.sh "$preset" -DTRUCE_BUILD_TESTS=ON
echo "3/3 tests"
# Most tests wait more than they compute; those that measure run alone.
ctest --preset "$preset" --label-exclude 'bench|vm' -j2 "$@"
if [ -n "$machines" ]; then
  directory=build
  [ "$preset" = release ] || directory=build/$preset
  tests/vm/run.sh "$directory"
fi
