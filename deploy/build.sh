#!/usr/bin/env bash
# Configures and builds with a CMake preset, showing progress.
#
#   deploy/build.sh PRESET [CMAKE-OPTION...] [-- TARGET...]
set -euo pipefail
cd "$(dirname "$0")/.."

preset=$1
shift
options=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do options+=("$1"); shift; done
[ $# -eq 0 ] || shift
directory=build
[ "$preset" = release ] || directory=build/$preset
mkdir -p "$directory"
if ! cmake --preset "$preset" "${options[@]}" >"$directory/configure.log" 2>&1; then
  tail -20 "$directory/configure.log" >&2
  exit 1
fi
targets=()
for target in "$@"; do targets+=(--target "$target"); done
# On a terminal ninja redraws one line by itself; elsewhere print every tenth step, so that a log shows life.
if [ -t 1 ]; then
  exec cmake --build "$directory" "${targets[@]}"
fi
NINJA_STATUS='[%f/%t, %e s] ' cmake --build "$directory" "${targets[@]}" 2>&1 |
  awk '/^\[[0-9]+\/[0-9]+, / { if (++n % 10 != 0 && $0 !~ /FAILED/) next } { print; fflush() }'
