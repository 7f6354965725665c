#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# On a machine with a GPU: times whole icons by `dit bench`, with their error, and by PyTorch on the same weights, in one run.
#   tests/bench/run_gpu.sh OUT [MODEL]     OUT: folder for the results   MODEL: beside the favicon diffusor's shape
# Environment: DIT is the built `dit` (build/dit), PYTHON one that has PyTorch with CUDA (python3), BATCHES (1,64,256).
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
dit=${DIT:-$here/../../build/dit} python=${PYTHON:-python3} batches=${BATCHES:-1,64,256}
out=${1:?usage: run_gpu.sh OUT [MODEL]}
mkdir -p "$out"
"$python" "$here/torch_icon.py" "$out/seed.safetensors" --write-seed
for model in "$out/seed.safetensors" ${2:+"$2"}; do
  name=$(basename "$model" .safetensors)
  "$dit" bench "$model" --batch "$batches" --kernels --json "$out/$name-dit.json" | tee "$out/$name-dit.txt"
  "$python" "$here/torch_icon.py" "$model" --batch "$batches" --json "$out/$name-torch.json" | tee "$out/$name-torch.txt"
done
