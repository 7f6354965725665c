#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# README's commands as a new user of Debian 13 runs them: in a root of its own, from a fresh clone of HEAD. As root.
#   tests/trixie.sh [--icon] [ROOT]     --icon: only first-icon.sh; ROOT: build/trixie, kept for the next time
# DIT_MIRROR: a Debian mirror other than deb.debian.org.
set -euo pipefail
tree=$(dirname "$(dirname "$(readlink -f "$0")")")
commands=(pipelines/first-icon.sh tests/run.sh)
# Seconds after which a command has hung. Two slow cores that build everything and paint on llvmpipe need half of it.
limit=7200

name=tests/trixie.sh
# shellcheck source=tests/roots.sh
. "$tree/tests/roots.sh"

if [ "${1-}" = --icon ]; then
  commands=(pipelines/first-icon.sh)
  shift
fi
case "${1-}" in
  -*) printf "tests/trixie.sh: unknown option '%s'; expected --icon, a folder or nothing\n" "$1" >&2; exit 2 ;;
esac
root=$(realpath -m "${1:-$tree/build/trixie}")
make_root trixie
rm -rf "$root/src"
git clone -q --no-hardlinks "$tree" "$root/src"
[ -z "$(git -C "$tree" status --porcelain)" ] || say 'what is not committed is left out'

failed=()
times=()
for command in "${commands[@]}"; do
  start=$SECONDS status=0
  say "$command"
  inside "$limit" /src "exec $command" </dev/null || status=$?
  [ "$status" -eq 0 ] || failed+=("$command ($status)")
  times+=("$(printf '%5d s  %s' $((SECONDS - start)) "$command")")
done
printf '%s\n' "${times[@]}"
[ ${#failed[@]} -eq 0 ] || die "failed on Debian 13: ${failed[*]}"
say "Debian 13 runs ${commands[*]}"
