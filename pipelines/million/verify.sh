#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Checks that all shards of a range are there, that each icon is there once, and that no file has changed.
#   pipelines/million/verify.sh COUNT SHARDS OUT
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/../programs/common.bash"
[ $# -eq 3 ] || { sed -n '4s/^#   /usage: /p' "$0" >&2; exit 2; }
count=$1 shards=$2 out=$3 missing=()
number COUNT "$count" 0 1000000000000
number SHARDS "$shards" 1 100000
[[ $out == /* ]] || out=./$out
for ((k = 0; k < shards; ++k)); do
  [ -e "$out/$(printf 'shard-%05d' "$k")/manifest.tsv" ] || missing+=("$k")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "verify.sh: shards are missing: ${missing[*]}" >&2
  exit 1
fi
for ((k = 0; k < shards; ++k)); do
  (cd "$out/$(printf 'shard-%05d' "$k")" && [ ! -s manifest.tsv ] \
    || awk -F'\t' '{print $3 "  " $4}' manifest.tsv | sha256sum --check --quiet)
done
cut -f1 "$out"/shard-?????/manifest.tsv | sort -n | cmp - <(seq 0 $((count - 1))) \
  || { echo "verify.sh: expected each icon from 0 to $((count - 1)) once" >&2; exit 1; }
echo "$count icons in $shards shards"
