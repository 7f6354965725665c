#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The next weights from the last ones, in stages that may be minutes and calls apart: what is done is not done again.
#
#   continue.sh DATA WORK TEACHER [STUDENT]      all stages; TEACHER and STUDENT are small checkpoints, STUDENT may be the one to mend
#   STAGES=teacher continue.sh DATA WORK new     a teacher from nothing: NETWORK has the options of train.py that make it
#   STAGES="teacher pairs" continue.sh ...       only these, in this order
#   continue.sh --smoke                          all of them, tiny, on a CPU and made-up icons
#
# stages: candidate (polish STUDENT, measure it), teacher (train TEACHER on and measure it; only when STAGES names it), pairs (the teacher paints),
# student (distil, from STUDENT if there is one), finish (polish, measure, sheets)
# DATA holds the icon set and judge.safetensors; results lie in WORK/out. Lengths in seconds, by environment: TEACHER_SECONDS,
# PAINT_SECONDS, STUDENT_SECONDS; CALL_SECONDS: the teacher ends so that all of this ends by then. Further options: TEACHER_OPTIONS,
# PAINT_OPTIONS, STUDENT_OPTIONS, POLISH_OPTIONS. It runs on every GPU there is, or on those of CUDA_VISIBLE_DEVICES.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")

if [ "${1:-}" = --smoke ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  cd "$here"
  python3 -B synthetic.py "$folder/data"
  python3 -B judge.py --smoke --out "$folder/data/judge.safetensors"
  export OMP_NUM_THREADS=1
  tiny="--patch 16 --window 24 --dim 32 --depth 1 --heads 2 --cond-dim 16 --batch 8 --max-steps 2 --quick"
  python3 -B train.py --data "$folder/data" --out "$folder" --work "$folder" --name first $tiny
  export TEACHER_OPTIONS="--batch 8 --max-steps 2 --quick" NETWORK="--patch 16 --context 3 --detail 4 8 3 --dim 32 --depth 1 --heads 2 --cond-dim 32"
  export STUDENT_OPTIONS="--batch 8 --max-steps 2 --own 0.4 --critic 1.0 --seam 1.0"
  export PAINT_OPTIONS="--batch 2" PAINT_SECONDS=0 POLISH_OPTIONS="--icons 8 --rounds 2" EVALUATE_OPTIONS="--few 4 --steps 1"
  # the new network from nothing, then on from its small checkpoint
  STAGES=teacher "$here/continue.sh" "$folder/data" "$folder/begun" new
  STAGES="teacher pairs student" "$here/continue.sh" "$folder/data" "$folder/on" "$folder/begun/out/teacher.safetensors"
  export STAGES="candidate teacher pairs student finish"
  "$here/continue.sh" "$folder/data" "$folder/stages" "$folder/first.safetensors" "$folder/first.safetensors"
  again=$("$here/continue.sh" "$folder/data" "$folder/stages" "$folder/first.safetensors" "$folder/first.safetensors")
  [ "$(grep -c 'is done' <<<"$again")" = 5 ] || { echo "a finished stage ran again: $again"; exit 1; }
  for file in candidate teacher.safetensors.00 icons.safetensors.00 icons-polished.safetensors.00 icons-polished.md; do
    ls "$folder/stages/out/$file"* >/dev/null
  done
  echo "smoke run passed"
  exit
fi

[ $# -ge 3 ] || { sed -n '3,14s/^# \{0,1\}//p' "$0"; exit 2; }
# One by one: of several in one line only the last may fail.
data=$(realpath "$1")
work=$(realpath -m "$2")
teacher=$3 student=${4:+$(realpath -m "$4")}
[ "$teacher" = new ] || teacher=$(realpath -m "$teacher")
# What $(( )) gets may be a program.
for seconds in "${CALL_SECONDS:-0}" "${REPORT_SECONDS:-0}"; do
  [[ $seconds =~ ^(0|[1-9][0-9]{0,8})$ ]] || { printf 'continue.sh: expected seconds, found %q\n' "$seconds" >&2; exit 2; }
done
until=${CALL_SECONDS:+$(($(date +%s) + CALL_SECONDS - ${REPORT_SECONDS:-30}))}
export PYTHONUNBUFFERED=1 OMP_NUM_THREADS=${OMP_NUM_THREADS:-8} TORCHINDUCTOR_CACHE_DIR="$work/cache"
mkdir -p "$work/out" "$work/pairs" "$work/done"
cd "$here"
gpus=$(nvidia-smi --list-gpus 2>/dev/null | wc -l || true)
[ -z "${CUDA_VISIBLE_DEVICES:-}" ] || gpus=$(tr ',' '\n' <<<"$CUDA_VISIBLE_DEVICES" | wc -l)
IFS=, read -ra devices <<<"${CUDA_VISIBLE_DEVICES:-$(seq -s, 0 $((gpus > 0 ? gpus - 1 : 0)))}"
places=(--data "$data" --out "$work/out" --work "$work")

# the teacher as it was given, until it is trained on
painter() {
  if [ -e "$work/done/teacher" ]; then echo "$work/out/teacher.safetensors"; else echo "$teacher"; fi
}

# on all GPUs together
together() {
  if [ "$gpus" -gt 1 ]; then torchrun --standalone --nproc-per-node "$gpus" "$@"; else python3 -B "$@"; fi
}

measure() {
  python3 -B evaluate.py --data "$data" --judge "$data/judge.safetensors" --out "$work/out" "$@" ${EVALUATE_OPTIONS:-}
}

polish() {
  python3 -B polish.py --data "$data" --model "$1" --out "$work/out" --name "$2" ${POLISH_OPTIONS:---icons 6000 --rounds 1000 --batch 192}
}

candidate() {
  [ -n "${student:-}" ] || { echo "stage candidate: expected a STUDENT, found none"; exit 2; }
  polish "$student" candidate
  measure --model "$work/out/candidate.safetensors" --name candidate --steps 1 2 4 8
  measure --model "$teacher" --name candidate-teacher --steps 32
}

# The rate hardly falls: there is more to come. The last part before distillation wants --lr 4e-4 --muon-lr 1e-3 --decay-from 0.1
teacher() {
  local from=(--resume "$teacher")
  [ "$teacher" != new ] || from=(${NETWORK:---context 8 --detail 16 32 3 --cond-dim 768})
  together train.py "${places[@]}" "${from[@]}" --name teacher --judge "$data/judge.safetensors" --figures 8 --eight-bits \
    --batch 1024 --lr 6e-4 --muon-lr 2.5e-3 --decay-from 0.8 --seconds "${TEACHER_SECONDS:-420}" ${until:+--until "$until"} ${TEACHER_OPTIONS:-}
}

pairs() {
  local ranks=()
  for ((rank = 0; rank < (gpus > 0 ? gpus : 1); rank++)); do
    CUDA_VISIBLE_DEVICES=${devices[$rank]} python3 -B paint.py --data "$data" --teacher "$(painter)" --pairs "$work/pairs" \
      --rank "$rank" --seconds "${PAINT_SECONDS:-65}" ${PAINT_OPTIONS:---guidance 2 --roll 2} &
    ranks+=($!)
  done
  for rank in "${ranks[@]}"; do wait "$rank"; done
}

student() {
  together distill.py "${places[@]}" --teacher "$(painter)" --pairs "$work/pairs" --name icons --edge 1.0 --quick \
    ${student:+--resume "$student"} --lr 2.5e-4 --muon-lr 8e-4 --decay-from 0.2 --seconds "${STUDENT_SECONDS:-600}" \
    ${STUDENT_OPTIONS:---batch 1024 --own 0.4 --critic 1.0 --seam 1.0}
}

finish() {
  polish "$work/out/icons.safetensors" icons-polished
  measure --model "$work/out/icons-polished.safetensors" --name icons-polished --steps 1 2 4 8
  measure --model "$(painter)" --name teacher --steps 32
  python3 -B sample.py --model "$work/out/icons-polished.safetensors" --out "$work/out" --guidance 1
}

for stage in ${STAGES:-${4:+candidate} pairs student finish}; do
  case $stage in candidate | teacher | pairs | student | finish) ;; *) echo "no stage '$stage'"; exit 2 ;; esac
  if [ -e "$work/done/$stage" ]; then
    echo "$stage is done"
    continue
  fi
  began=$SECONDS
  # a function called in a condition would go on after a failure
  ( set -e; "$stage" ) > >(tee "$work/out/$stage.log") 2>&1
  touch "$work/done/$stage"
  echo "$stage: $((SECONDS - began)) s"
done
