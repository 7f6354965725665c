#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Paints one shard of a range of icons: OUT/shard-NNNNN/ with its PNG files and manifest.tsv.
#   pipelines/million/shard.sh SHARD SHARDS COUNT OUT [SEED [PROMPT [STYLE]]]
#
# Icon n is a function of (seed, n), so shard k of K owns the icons from k*COUNT/K up to (k+1)*COUNT/K: no other shard
# has them, whoever paints it, however often. A shard appears whole by one rename, which only the first to finish can
# do; one that is there is not painted again. So a worker may be killed, started twice or moved at any time.
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/../programs/common.bash"
[ $# -ge 4 ] || { sed -n '4s/^#   /usage: /p' "$0" >&2; exit 2; }
shard=$1 shards=$2 count=$3 out=$4 seed=${5-1} prompt=${6-rocket} style=${7-}
# In these ranges shards * count is below 2^63, and a shard's number has five digits.
number SHARDS "$shards" 1 100000
number SHARD "$shard" 0 $((shards - 1))
number COUNT "$count" 0 1000000000000
[[ $seed =~ ^(0|[1-9][0-9]{0,19})$ ]] || { say "SEED: expected a whole number, found $(shown "$seed")"; exit 2; }
[[ $out == /* ]] || out=./$out

first=$((shard * count / shards)) end=$(((shard + 1) * count / shards))
final=$out/$(printf 'shard-%05d' "$shard")
mkdir -p "$out"
out=$(readlink -f "$out") final=$out/${final##*/}
host=${HOSTNAME-host} host=${host//[^A-Za-z0-9._-]/_}
# A folder belongs to one job: whoever comes first writes down which.
job="$count icons in $shards shards, seed $seed, prompt '$prompt', style '$style'"
printf '%s\n' "$job" >"$out/.job-$shard-$host-$$"
ln "$out/.job-$shard-$host-$$" "$out/job" 2>/dev/null || true
rm "$out/.job-$shard-$host-$$"
if [ ! -f "$out/job" ]; then
  say "$(shown "$out")/job: expected a file"
  exit 2
fi
if ! printf '%s\n' "$job" | cmp -s - "$out/job"; then
  # Beyond ASCII there are control characters, too.
  plain() { head -c 300 | LC_ALL=C tr '\000-\037\177-\377' '[?*]'; }
  say "$(shown "$out") holds $(plain <"$out/job"); found $(plain <<<"$job")"
  exit 2
fi
if [ -e "$final/manifest.tsv" ]; then
  echo "shard $shard is there already"
  exit 0
fi
partial=$final.partial-$host-$$
# What a killed worker of this host left behind; its number is no longer that of a process.
for left in "$final".partial-"$host"-*; do
  if [ -d "$left" ] && [[ ${left##*-} =~ ^[1-9][0-9]*$ ]] && ! kill -0 "${left##*-}" 2>/dev/null; then rm -rf "$left"; fi
done
trap 'rm -rf "$partial"' EXIT
mkdir "$partial"

if [ "$end" -gt "$first" ]; then
  options=()
  option prompt "$prompt"
  option style "$style"
  option seed "$seed"
  option batch-size "${DIT_BATCH:-1}"
  option device "${DIT_DEVICE:-auto}"
  option threads "${DIT_THREADS:-0}"
  if [ -n "${DIT_MODEL:-}" ]; then export DIT_MODEL && DIT_MODEL=$(realpath -m -- "$DIT_MODEL"); fi
  dit=$(realpath -m -- "$build/dit")
  # In there, since a '%' in the folder's name would be part of the pattern.
  (cd "$partial" && "$dit" generate --quiet "${options[@]}" --index "$first" --count $((end - first)) -o icon-%09d.png)
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
  say "cannot rename to $(shown "$final")"
  exit 1
fi
