#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Everything from a fresh clone: installs, builds, runs all tests.
#   tests/run.sh                about ten minutes on two cores
#   tests/run.sh --sanitizers   the same, then tests of engine, plugin and `dit` once more under AddressSanitizer and UBSan
set -euo pipefail
sanitizers=false
case "${1-}" in
  '') ;;
  --sanitizers) sanitizers=true ;;
  *)
    printf "tests/run.sh: unknown option '%s'; expected --sanitizers or nothing\n" "$1" >&2
    exit 2 ;;
esac
cd "$(dirname "$(dirname "$(readlink -f "$0")")")"

timings=()
failed=()
# stage NAME COMMAND...: runs one part, keeps its time; a failing test stage does not hide the later ones.
stage() {
  local name=$1 start=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  "$@" || failed+=("$name")
  timings+=("$(printf '%4d s  %s' $((SECONDS - start)) "$name")")
}
# needed NAME COMMAND...: a stage without which the rest is pointless.
needed() {
  stage "$@"
  [ ${#failed[@]} -eq 0 ] || { printf '\ntests/run.sh: %s failed\n' "${failed[0]}" >&2; exit 1; }
}
# test_tree LOG PRESET OPTION...: ctest, keeping its summary for the end.
test_tree() {
  local log=$1 preset=$2 status=0
  shift 2
  ctest --preset "$preset" "$@" 2>&1 | tee "build/$log.log" || status=$?
  return $status
}
build_tree() { cmake --preset "$1" >/dev/null && cmake --build --preset "$1"; }

export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1

needed 'install' ./setup.sh --tests
needed 'build' build_tree default
# One after the other, since some tell the time; scripts mostly wait for the programs that they start, so two at once.
stage 'test' test_tree default default --label-exclude script
stage 'test by scripts' test_tree scripts default --label-regex script --parallel 2
logs=(default scripts)
if $sanitizers; then
  logs+=(asan asan-tool)
  failed_so_far=${#failed[@]}
  stage 'build with sanitizers' build_tree asan
  if [ ${#failed[@]} -eq "$failed_so_far" ]; then
    stage 'test with sanitizers' test_tree asan asan
    stage 'test of dit with sanitizers' test_tree asan-tool asan-tool
  fi
fi

printf '\n== time\n'
printf '%s\n' "${timings[@]}" "$(printf '%4d s  all' $SECONDS)"
for log in "${logs[@]}"; do
  [ -f "build/$log.log" ] || continue
  printf '\n== %s\n' "$log"
  sed -n '/tests passed,/,$p' "build/$log.log"
done
if [ ${#failed[@]} -gt 0 ]; then
  printf '\ntests/run.sh: failed: %s\n' "${failed[*]}" >&2
  exit 1
fi
