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

say() { printf 'tests/trixie.sh: %s\n' "$*"; }
die() { say "$*" >&2; exit 1; }
# apart SECONDS COMMAND...: in namespaces of its own, so that neither a mount nor a process outlives it.
apart() {
  local seconds=$1
  shift
  timeout --foreground --signal=KILL "$seconds" \
    unshare --mount --propagation private --pid --fork --kill-child "$@"
}

if [ "${1-}" = --icon ]; then
  commands=(pipelines/first-icon.sh)
  shift
fi
case "${1-}" in
  -*) printf "tests/trixie.sh: unknown option '%s'; expected --icon, a folder or nothing\n" "$1" >&2; exit 2 ;;
esac
root=$(realpath -m "${1:-$tree/build/trixie}")
[ "$(id -u)" -eq 0 ] || die 'only root can make a root: sudo tests/trixie.sh'
for tool in debootstrap git unshare timeout; do
  command -v "$tool" >/dev/null || die "needs $tool: apt-get install debootstrap git"
done

# Never removes what it has not made.
made=$root/.ditsrc-trixie
if [ -e "$root" ] && [ ! -e "$made" ] && [ -n "$(ls -A "$root")" ]; then
  die "$root is there already, and not by this script: name another folder"
fi
mkdir -p "$root"
if [ "$(cat "$made" 2>/dev/null)" != complete ]; then
  find "$root" -xdev -mindepth 1 -delete
  echo unfinished >"$made"
  say "debootstrap into $root"
  if ! apart 1800 debootstrap --variant=minbase --include=ca-certificates trixie "$root" \
    "${DIT_MIRROR:-http://deb.debian.org/debian}" >"$root.log" 2>&1; then
    tail -n 20 "$root.log" >&2
    die "debootstrap failed; all it said is in $root.log"
  fi
  echo complete >"$made"
fi
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
rm -rf "$root/src"
git clone -q --no-hardlinks "$tree" "$root/src"
[ -z "$(git -C "$tree" status --porcelain)" ] || say 'what is not committed is left out'

# inside COMMAND: README's command in the root, with nothing of the host but its kernel.
inside() {
  # shellcheck disable=SC2016  # expanded by the inner shell
  apart "$limit" bash -euc '
      mount -t proc proc "$1/proc"
      mount -t tmpfs -o mode=1777 tmpfs "$1/dev/shm"
      mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$1/dev/pts"
      status=0
      # Not by exec: this shell is process 1, which reaps what others leave.
      chroot "$1" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
        bash -c "cd /src && exec $2" || status=$?
      exit $status' trixie "$root" "$1"
}

failed=()
times=()
for command in "${commands[@]}"; do
  start=$SECONDS status=0
  say "$command"
  inside "$command" </dev/null || status=$?
  [ "$status" -eq 0 ] || failed+=("$command ($status)")
  times+=("$(printf '%5d s  %s' $((SECONDS - start)) "$command")")
done
printf '%s\n' "${times[@]}"
[ ${#failed[@]} -eq 0 ] || die "failed on Debian 13: ${failed[*]}"
say "Debian 13 runs ${commands[*]}"
