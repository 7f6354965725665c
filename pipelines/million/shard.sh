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
model=$(realpath -m -- "${DIT_MODEL:-$root/models/icons.safetensors}")
if [ ! -f "$model" ]; then
  say "model: expected a file, found $(shown "$model" 200)"
  exit 2
fi
digest=$(sha256sum <"$model")
job="$count icons in $shards shards, seed $seed, prompt '$prompt', style '$style', model ${digest%% *}"
# What else decides what a prompt means.
if [ -n "${DIT_LEXICON-}" ]; then
  if [ ! -f "$DIT_LEXICON" ]; then
    say "lexicon: expected a file, found $(shown "$DIT_LEXICON" 200)"
    exit 2
  fi
  digest=$(sha256sum <"$DIT_LEXICON")
  job+=", lexicon ${digest%% *}"
fi

# A folder belongs to one job; any other is refused.
expect_own() {
  if [ ! -f "$out/job" ]; then
    say "$(shown "$out")/job: expected a file"
    exit 2
  fi
  if ! printf '%s\n' "$job" | cmp -s - "$out/job"; then
    # Beyond ASCII there are control characters, too.
    plain() { head -c 400 | LC_ALL=C tr '\000-\037\177-\377' '[?*]'; }
    say "$(shown "$out") holds $(plain <"$out/job"); found $(plain <<<"$job")"
    exit 2
  fi
}
[ ! -e "$out/job" ] || expect_own
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

options=()
option prompt "$prompt"
option style "$style"
option seed "$seed"
option batch-size "${DIT_BATCH:-1}"
option device "${DIT_DEVICE:-auto}"
option threads "${DIT_THREADS:-0}"
option model "$model"
if [ "$end" -gt "$first" ]; then
  # From here, where what the environment names (DIT_LEXICON, DIT_CACHE) is. A '%' in the folder's name is none of the pattern.
  "$build/dit" generate --quiet "${options[@]}" --index "$first" --count $((end - first)) -o "${partial//%/%%}/icon-%09d.png"
else
  # No icon of its own says whether the job is possible.
  "$build/dit" generate --quiet "${options[@]}" --index "$first" --steps 1 -o /dev/null
fi
(
  cd "$partial"
  # Index, seed, checksum, file; one line an icon, in order.
  for ((n = first; n < end; ++n)); do printf 'icon-%09d.png\n' "$n"; done | xargs --no-run-if-empty sha256sum \
    | awk -v n="$first" -v seed="$seed" '{printf "%.0f\t%s\t%s\t%s\n", n++, seed, $1, $2}' >manifest.tsv
)
# Whoever first has a whole shard writes down whose the folder is: by then the job is known to be possible.
printf '%s\n' "$job" >"$out/.job-$shard-$host-$$"
ln "$out/.job-$shard-$host-$$" "$out/job" 2>/dev/null || true
rm "$out/.job-$shard-$host-$$"
expect_own
sync -f "$partial"
if mv -T "$partial" "$final" 2>/dev/null; then
  echo "shard $shard: icons $first to $((end - 1))"
elif [ -e "$final/manifest.tsv" ]; then
  echo "shard $shard: another worker was first"
else
  say "cannot rename to $(shown "$final")"
  exit 1
fi
