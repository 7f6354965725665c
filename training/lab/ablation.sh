#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Networks at equal time: every row of TABLE trains for SECONDS on a GPU of its own, the rows of a GPU one after the other.
#
#   ablation.sh DATA OUT [UNTIL]     goes on where it was cut off; returns UNTIL seconds from now, or when all rows are done
#
# All rows load and compile at once, then wait for the row before them, so that no GPU waits for a compiler. A row's figures and sheets
# are made while the next one has begun to train. The judge is the one in DATA; without it two are trained first: one as the first models
# had it, one that knows glyphs. What came of it: prompt-and-head.md
set -euo pipefail
here=$(dirname "$(dirname "$(readlink -f "$0")")")
left=${3:-100000}
# What $(( )) gets may be a program.
[[ $left =~ ^(0|[1-9][0-9]{0,8})$ ]] || { printf 'ablation.sh: UNTIL: expected seconds, found %q\n' "$left" >&2; exit 2; }
data=$(realpath "$1")
out=$(realpath -m "$2")
until=$((SECONDS + left))
seconds=${SECONDS_A_ROW:-300}
common="--batch 512 --lr 6e-4 --muon-lr 2.5e-3 --figures 8 ${ROW_OPTIONS:-}"
# GPU, name, what differs
TABLE=${TABLE:-"
0 both       --context 8 --detail 16 32 3
1 context    --context 8
0 present
1 head       --detail 16 32 3
0 both-h48   --context 8 --detail 16 48 3
1 both-cond  --context 8 --detail 16 32 3 --cond-dim 512
0 both-640   --context 8 --detail 16 32 3 --dim 640 --depth 8 --heads 10
1 both-p4    --context 8 --patch 4 --window 8 --dim 320 --depth 6 --heads 5
"}
mkdir -p "$out/log"
export PYTHONUNBUFFERED=1 OMP_NUM_THREADS=${OMP_NUM_THREADS:-4} TORCHINDUCTOR_CACHE_DIR="$out/cache" PYTHONDONTWRITEBYTECODE=1
cd "$here"

# start NAME COMMAND...: in the background, unless it runs, or is done
start() {
  local name=$1 pid=$out/log/$1.pid
  shift
  if [ -e "$out/$name.done" ] || { [ -e "$pid" ] && kill -0 "$(cat "$pid")" 2>/dev/null; }; then return; fi
  setsid nohup "$@" >>"$out/log/$name.log" 2>&1 </dev/null &
  echo $! >"$pid"
}

judge() {
  start "$1" env CUDA_VISIBLE_DEVICES="$2" \
    bash -c '"$@" && touch "$0"' "$out/$1.done" python3 judge.py --data "$data" --out "$out/$1.safetensors" --seconds "$3" "${@:4}"
}
if [ -e "$data/judge.safetensors" ]; then
  cp "$data/judge.safetensors" "$out" && touch "$out/judge.done"
else
  judge judge 0 "${JUDGE_SECONDS:-60}"
  judge judge-icons 1 "${JUDGE_SECONDS:-60}" --icons-only
fi

declare -A last=([0]=$out/judge.done [1]=$out/judge-icons.done)
[ ! -e "$data/judge.safetensors" ] || last[1]=$out/judge.done
names=()
while read -r gpu name options; do
  [ -n "$name" ] || continue
  # shellcheck disable=SC2086
  # whatever becomes of a row, the next one gets the GPU
  start "$name" env CUDA_VISIBLE_DEVICES="$gpu" bash -c '"$@"; touch "$0"' "$out/$name.trained" python3 train.py --data "$data" \
    --out "$out" --work "$out" --name "$name" --judge "$out/judge.safetensors" --seconds "$seconds" \
    --after "${last[$gpu]:-$out/judge.done}" $common $options
  last[$gpu]=$out/$name.trained
  names+=("$name")
done <<<"$TABLE"

for name in "${names[@]}"; do
  while [ ! -e "$out/$name.done" ] && [ "$SECONDS" -lt "$until" ]; do
    if ! kill -0 "$(cat "$out/log/$name.pid")" 2>/dev/null; then
      sleep 1
      [ -e "$out/$name.done" ] || { echo "$name failed:"; tail -5 "$out/log/$name.log"; }
      break
    fi
    sleep 1
  done
done
for name in judge judge-icons "${names[@]}"; do
  [ ! -e "$out/log/$name.log" ] || echo "$(ls "$out/$name".* 2>/dev/null | grep -c done) $(tail -1 "$out/log/$name.log" | cut -c1-900)"
done
