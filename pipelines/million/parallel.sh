#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A range of icons on one host by GNU parallel. Run it again after any interruption: it goes on with what is missing.
#   pipelines/million/parallel.sh COUNT SHARDS OUT [WORKERS [SEED [PROMPT [STYLE]]]]
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/../programs/common.bash"
[ $# -ge 3 ] || { sed -n '4s/^#   /usage: /p' "$0" >&2; exit 2; }
command -v parallel >/dev/null || { echo "skipped: GNU parallel is not installed" >&2; exit 77; }
export here count=$1 shards=$2 out=$3 seed=${5-1} prompt=${6-rocket} style=${7-}
here=$(dirname "$(readlink -f "$0")") workers=${4-$(nproc)}
number COUNT "$count" 0 1000000000000
number SHARDS "$shards" 1 100000
number WORKERS "$workers" 1 10000
# One thread a worker: icons do not wait for each other, layers of one icon do.
export DIT_THREADS=${DIT_THREADS-1}
# Text goes by the environment: parallel would replace {} in its arguments, and run what stands in {= =}.
# shellcheck disable=SC2016  # expanded by the inner shell
seq 0 $((shards - 1)) \
  | parallel --will-cite --jobs "$workers" --retries 3 --halt soon,fail=1 --quote \
      bash -c 'exec "$here/shard.sh" "$1" "$shards" "$count" "$out" "$seed" "$prompt" "$style"' shard {}
"$here/verify.sh" "$count" "$shards" "$out"
