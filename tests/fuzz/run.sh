#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Fuzzes the readers of weight files, the server's requests and the seeks of ditsrc, one after the other, with libFuzzer under Address-
# and UndefinedBehaviorSanitizer.
#   tests/fuzz/run.sh [SECONDS [TARGET...]]    default: 600 seconds each, every target
# Needs clang (it is installed if it is not there). Findings are left in build/fuzz/findings/TARGET-*.
set -euo pipefail
cd "$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")"

seconds=${1:-600}
[[ $seconds =~ ^[1-9][0-9]{0,6}$ ]] || { printf 'fuzz: expected a number of seconds, found %q\n' "$seconds" >&2; exit 2; }
targets=("${@:2}")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(ls tests/fuzz/corpus)
for target in "${targets[@]}"; do
  [[ $target =~ ^[a-z0-9]+$ && -d tests/fuzz/corpus/$target ]] || { printf 'fuzz: no target %q\n' "$target" >&2; exit 2; }
done

if ! command -v clang++ >/dev/null; then
  as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get -qq install -y --no-install-recommends clang libclang-rt-dev llvm >/dev/null
fi

cmake -S . -B build/fuzz -G Ninja -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_BUILD_TYPE=RelWithDebInfo -DDIT_FUZZ=ON \
  -DDIT_BUILD_TESTS=OFF -DDIT_BUILD_PIPELINES=OFF -DDIT_SANITIZE=address,undefined >/dev/null
cmake --build build/fuzz --target "${targets[@]/#/fuzz_}" >build/fuzz/build.log 2>&1 || { tail -n 30 build/fuzz/build.log >&2; exit 1; }

mkdir -p build/fuzz/findings
failed=()
for target in "${targets[@]}"; do
  work=build/fuzz/work-$target
  mkdir -p "$work"
  # New inputs go to $work and stay there for the next run; the committed corpus only seeds.
  # A 64 KiB file may not ask for more than 16 MiB at once: f64 values of a 4-bit tensor are 14 times its bytes.
  log=build/fuzz/$target.log
  limits=(-max_len=65536 -malloc_limit_mb=16)
  # A way of 24 seeks is short. GStreamer keeps what it has once made for the whole process, and on its first run reads
  # every plugin there is, of which many leak: neither between inputs nor at the end can a leak of ours be told.
  leaks=1
  if [ "$target" = seeks ]; then leaks=0 limits=(-max_len=192 -detect_leaks=0); fi
  if ASAN_OPTIONS=detect_leaks=$leaks build/fuzz/fuzz_"$target" "$work" tests/fuzz/corpus/"$target" -max_total_time="$seconds" "${limits[@]}" -timeout=60 \
    -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix=build/fuzz/findings/"$target"- \
    >"$log" 2>&1; then
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    printf '%-12s %s s, %s runs, no finding\n' "$target" "$seconds" "$runs"
  else
    failed+=("$target")
    printf '%-12s FINDING, see %s\n' "$target" "$log"
    grep -E "^(SUMMARY|==.*ERROR)|runtime error|Test unit written" "$log" | head -n 5 || true
  fi
done
[ ${#failed[@]} -eq 0 ]
