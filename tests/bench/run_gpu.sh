#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# On a machine with a GPU: checks every way to compute, then times ours and PyTorch on the same weights. Short table last.
#   tests/bench/run_gpu.sh [--only check,start,bench,torch,gst] OUT [MODEL]   OUT: folder for the results, kept between pieces
# Environment: DIT, DIT_TESTS: built `dit` and `dit_tests`; PYTHON: has PyTorch; VULKAN: index of the device (0);
# BATCHES, STEPS, RUNS: as `dit bench`; GST_ICONS (2000); SEED: weights in place of the favicon diffusor's shape;
# VALIDATION=1: check with the validation layer.
set -euo pipefail

usage() {
  cat << END
usage: run_gpu.sh [--only PIECE[,PIECE...]] OUT [MODEL]
pieces, each short enough for a call of ten minutes on one GPU:
  build  the tree, where DIT names no built program
  check  op by op and whole networks, all fusions and precisions, against the scalar twins and PyTorch's activations
  start  dit generate from its start to its end: empty caches, again, with guidance, a batch, 1,000 files
  bench  dit bench: every fusion, precision and batch, and every dispatch, of the favicon diffusor's shape and of MODEL
  torch  PyTorch on the same weights: eager f32 and bf16; bf16 and f16 as one CUDA graph, and compiled by max-autotune
  gst    icons a second of gst-launch beside the engine's own; skipped, saying why, where there is no GStreamer
  table  what the pieces found, one short table (always done last)
END
  exit "${1:-0}"
}

here=$(dirname "$(readlink -f "$0")")
root=$(readlink -f "$here/../..")
only=build,check,start,bench,torch,gst
while [[ ${1:-} == -* ]]; do
  case $1 in
    --only) only=${2:?--only needs a piece}; shift 2 ;;
    --only=*) only=${1#--only=}; shift ;;
    -h | --help) usage ;;
    *) echo "run_gpu.sh: no option $1" >&2; usage 2 >&2 ;;
  esac
done
[[ -n ${1:-} ]] || usage 2 >&2
mkdir -p "$1"
out=$(readlink -f "$1") model=${2:-$root/models/icons.safetensors}
dit=${DIT:-$root/build/dit} tests=${DIT_TESTS:-$root/build/dit_tests} python=${PYTHON:-python3} vulkan=${VULKAN:-0}
batches=${BATCHES:-1,8,64,256} steps=${STEPS:-32} runs=${RUNS:-50}
torch_batches=${TORCH_BATCHES:-1,64,256}
for piece in ${only//,/ }; do
  [[ $piece =~ ^(build|check|start|bench|torch|gst|table)$ ]] || { echo "run_gpu.sh: no piece '$piece'" >&2; usage 2 >&2; }
done
wanted() { [[ ,$only, == *,$1,* ]]; }
seed=${SEED:-$out/seed.safetensors}
[[ -f $seed ]] || "$python" "$here/write_seed.py" "$seed"

if wanted build && [[ -z ${DIT:-} ]]; then
  cmake -S "$root" -B "$root/build" -G Ninja
  cmake --build "$root/build" --target dit dit_tests
fi

if wanted check; then
  # Every fusion and precision that the device offers; a kind that it does not offer is skipped, saying why.
  DIT_TEST_ALL_FUSIONS=1 DIT_TEST_VULKAN=$vulkan DIT_VULKAN_VALIDATION=${VALIDATION:-0} "$tests" --gtest_brief=1 \
    --gtest_filter="${CHECKS:-*Ops.*:*Network.*:*Diffusor*:*Variants*:SelfTest*:*Prefetch*vulkan*}" \
    --gtest_output="json:$out/check.json" 2>&1 | tee "$out/check.txt" | tail -n 15 ||
    echo "run_gpu.sh: CHECKS FAILED, see $out/check.txt"
fi

if wanted start; then
  "$python" "$here/first_icons.py" "$dit" "$model" --device "vulkan:$vulkan" --json "$out/start.json" ${START_OPTIONS:-} |
    tee "$out/start.txt"
fi

for file in "$seed" "$model"; do
  name=$(basename "$file" .safetensors)
  if wanted bench; then
    "$dit" bench "$file" --vulkan "$vulkan" --batch "$batches" --steps "$steps" --runs "$runs" --kernels ${BENCH_OPTIONS:-} \
      --json "$out/$name-dit.json" | tee "$out/$name-dit.txt"
    # The same model in few steps.
    "$dit" bench "$file" --vulkan "$vulkan" --batch 1 --steps 4 --runs "$runs" ${BENCH_OPTIONS:-} \
      --json "$out/$name-4-dit.json" | tee "$out/$name-4-dit.txt"
  fi
  if wanted torch; then
    "$python" "$here/torch_icon.py" "$file" --batch "$torch_batches" --steps "$steps" --runs "$runs" ${TORCH_OPTIONS:-} \
      --json "$out/$name-torch.json" | tee "$out/$name-torch.txt"
  fi
done

if wanted gst; then
  if ! command -v gst-launch-1.0 > /dev/null; then
    echo "gst: skipped: there is no gst-launch-1.0 here" | tee "$out/gst.txt"
  else
    count=${GST_ICONS:-2000}
    [[ $count =~ ^[1-9][0-9]{0,8}$ && $vulkan =~ ^[0-9]{1,3}$ ]] \
      || { printf 'run_gpu.sh: expected numbers in GST_ICONS and VULKAN, found %q, %q\n' "$count" "$vulkan" >&2; exit 2; }
    play() {
      local begin=$EPOCHREALTIME
      # The model by environment: text among the arguments would be parsed as part of the pipeline.
      DIT_MODEL=$model GST_PLUGIN_PATH=${DIT_PLUGIN:-$root/build/plugin} gst-launch-1.0 -q \
        ditsrc device="vulkan:$vulkan" steps="$steps" ${GST_OPTIONS:-} num-buffers="$1" ! fakesink > /dev/null || return 1
      echo "$begin $EPOCHREALTIME" | awk '{ printf "%.6f", $2 - $1 }'
    }
    # The first start builds kernels.
    play 2 > /dev/null
    # Two lengths, so that the time of starting drops out of the difference.
    short=$(play $((count / 10 + 1)))
    long=$(play "$count")
    "$python" - "$count" "$short" "$long" << 'END' | tee "$out/gst.txt"
import sys
count, short, long = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
if long - short < 0.2 * long:
    print(f"gst: no figure: {count} icons take {long:.2f} s, hardly more than starting ({short:.2f} s); raise GST_ICONS")
else:
    print(f"gst: {(count - count // 10 - 1) / (long - short):.1f} icons/s, {count} icons")
END
  fi
fi

"$python" "$here/gpu_table.py" "$out"
