#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A million icons as a Slurm array of 1000 shards. Submit it again after failures: what is there is not painted again.
#   sbatch pipelines/million/slurm.sh OUT
#SBATCH --job-name=icons
#SBATCH --array=0-999%64
#SBATCH --requeue
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G
#SBATCH --time=01:00:00
# For GPUs instead: --gres=gpu:1, DIT_DEVICE=vulkan and a larger DIT_BATCH.
set -euo pipefail
# Slurm runs a copy of this file, so the folder is the one of submission.
root=${DITSRC:-$SLURM_SUBMIT_DIR}
export DIT_THREADS=$SLURM_CPUS_PER_TASK
exec "$root/pipelines/million/shard.sh" "$SLURM_ARRAY_TASK_ID" "${SHARDS:-1000}" "${COUNT:-1000000}" "$1"
