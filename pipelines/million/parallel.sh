#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A range of icons on one host by GNU parallel. Run it again after any interruption: it goes on with what is missing.
#   pipelines/million/parallel.sh COUNT SHARDS OUT [WORKERS [SEED [PROMPT [STYLE]]]]
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
[ $# -ge 3 ] || { sed -n '4s/^#   /usage: /p' "$0" >&2; exit 2; }
command -v parallel >/dev/null || { echo "skipped: GNU parallel is not installed" >&2; exit 77; }
count=$1 shards=$2 out=$3 workers=${4-$(nproc)}
# One thread a worker: icons do not wait for each other, layers of one icon do.
export DIT_THREADS=${DIT_THREADS-1}
seq 0 $((shards - 1)) \
  | parallel --will-cite --jobs "$workers" --retries 3 --halt soon,fail=1 --quote \
      "$here/shard.sh" {} "$shards" "$count" "$out" "${5-1}" "${6-rocket}" "${7-}"
"$here/verify.sh" "$count" "$shards" "$out"
