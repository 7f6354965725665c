#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Paints one shard of a range of icons: OUT/shard-NNNNN/ with its PNG files and manifest.tsv.
#   pipelines/million/shard.sh SHARD SHARDS COUNT OUT [SEED [PROMPT [STYLE]]]
#
# Icon n is a function of (seed, n), so shard k of K owns the icons from k*COUNT/K up to (k+1)*COUNT/K: no other shard
# has them, whoever paints it, however often. A shard appears whole by one rename, which only the first to finish can
# do; one that is there is not painted again. So a worker may be killed, started twice or moved at any time.
set -euo pipefail
root=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
dit=${DIT_BUILD:-$root/build}/dit
[ $# -ge 4 ] || { sed -n '4s/^#   /usage: /p' "$0" >&2; exit 2; }
shard=$1 shards=$2 count=$3 out=$4 seed=${5-1} prompt=${6-rocket} style=${7-}
for number in "$shard" "$shards" "$count" "$seed"; do
  [[ $number =~ ^(0|[1-9][0-9]*)$ ]] || { echo "shard.sh: expected a whole number, found '$number'" >&2; exit 2; }
done
[ "$shard" -lt "$shards" ] || { echo "shard.sh: expected a shard below $shards, found $shard" >&2; exit 2; }

first=$((shard * count / shards)) end=$(((shard + 1) * count / shards))
final=$out/$(printf 'shard-%05d' "$shard")
mkdir -p "$out"
# A folder belongs to one job: whoever comes first writes down which.
job="$count icons in $shards shards, seed $seed, prompt '$prompt', style '$style'"
printf '%s\n' "$job" >"$out/.job-$shard-${HOSTNAME-host}-$$"
ln "$out/.job-$shard-${HOSTNAME-host}-$$" "$out/job" 2>/dev/null || true
rm "$out/.job-$shard-${HOSTNAME-host}-$$"
if [ "$(cat "$out/job")" != "$job" ]; then
  echo "shard.sh: $out holds $(cat "$out/job"); found $job" >&2
  exit 2
fi
if [ -e "$final/manifest.tsv" ]; then
  echo "shard $shard is there already"
  exit 0
fi
partial=$final.partial-${HOSTNAME-host}-$$
# What a killed worker of this host left behind; its number is no longer that of a process.
for left in "$final".partial-"${HOSTNAME-host}"-*; do
  if [ -d "$left" ] && ! kill -0 "${left##*-}" 2>/dev/null; then rm -rf "$left"; fi
done
trap 'rm -rf "$partial"' EXIT
mkdir "$partial"

if [ "$end" -gt "$first" ]; then
  "$dit" generate --quiet --prompt "$prompt" --style "$style" --seed "$seed" --index "$first" --count $((end - first)) \
    --batch-size "${DIT_BATCH:-1}" --device "${DIT_DEVICE:-auto}" --threads "${DIT_THREADS:-0}" \
    -o "$partial/icon-%09d.png"
fi
(
  cd "$partial"
  # Index, seed, checksum, file; one line an icon, in order.
  for ((n = first; n < end; ++n)); do printf 'icon-%09d.png\n' "$n"; done | xargs --no-run-if-empty sha256sum \
    | awk -v n="$first" -v seed="$seed" -v OFS='\t' '{print n++, seed, $1, $2}' >manifest.tsv
)
sync -f "$partial"
if mv -T "$partial" "$final" 2>/dev/null; then
  echo "shard $shard: icons $first to $((end - 1))"
elif [ -e "$final/manifest.tsv" ]; then
  echo "shard $shard: another worker was first"
else
  echo "shard.sh: cannot rename to $final" >&2
  exit 1
fi
