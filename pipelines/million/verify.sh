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
  [ -f "$out/$(printf 'shard-%05d' "$k")/manifest.tsv" ] || missing+=("$k")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "verify.sh: shards are missing: ${missing[*]}" >&2
  exit 1
fi
# A manifest names the icons of its own folder and nothing else: sha256sum would read whatever file it names.
own='{ icon = "icon-" (length($1) < 9 ? substr("000000000", 1, 9 - length($1)) : "") $1 ".png" }
  NF != 4 || $1 !~ /^[0-9]+$/ || $3 !~ /^[0-9a-f]+$/ || length($3) != 64 || $4 != icon { exit 1 }'
for manifest in "$out"/shard-?????/manifest.tsv; do
  if [ ! -f "$manifest" ] || ! LC_ALL=C awk -F'\t' "$own" "$manifest"; then
    say "$(shown "$manifest" 200): expected lines of index, seed, checksum and the icon of that index"
    exit 1
  fi
  # A pipe would be waited for, a device read for ever.
  other=$(find "${manifest%/*}/" -mindepth 1 ! -type f -print -quit)
  if [ -n "$other" ]; then
    say "$(shown "$other" 200): expected a file"
    exit 1
  fi
  [ ! -s "$manifest" ] || (cd "${manifest%/*}" && awk -F'\t' '{print $3 "  " $4}' manifest.tsv | sha256sum --check --quiet)
done
printf '%s\0' "$out"/shard-?????/manifest.tsv | xargs -0 cut -f1 | sort -n | cmp - <(seq 0 $((count - 1))) \
  || { echo "verify.sh: expected each icon from 0 to $((count - 1)) once" >&2; exit 1; }
echo "$count icons in $shards shards"
