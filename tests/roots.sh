#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# For tests in a Debian of their own, by root alone; sourced by trixie.sh and packages.sh, which set `name` (of the script)
# and `root` (a folder).
# DIT_MIRROR: a Debian mirror other than deb.debian.org.

say() { printf '%s: %s\n' "$name" "$*"; }
die() { say "$*" >&2; exit 1; }

# apart SECONDS COMMAND...: in namespaces of its own, so that neither a mount nor a process outlives it.
apart() {
  local seconds=$1
  shift
  timeout --foreground --signal=KILL "$seconds" \
    unshare --mount --propagation private --pid --fork --kill-child "$@"
}

# make_root SUITE: debootstrap into $root, unless it is there from the last time.
make_root() {
  local suite=$1 tool made=$root/.ditsrc-$1
  [ "$(id -u)" -eq 0 ] || die "only root can make a root: sudo $name"
  for tool in debootstrap git unshare timeout; do
    command -v "$tool" >/dev/null || die "needs $tool: apt-get install debootstrap git"
  done
  # Never removes what it has not made.
  if [ -e "$root" ] && [ ! -e "$made" ] && [ -n "$(ls -A "$root")" ]; then
    die "$root is there already, and not by this script: name another folder"
  fi
  mkdir -p "$root"
  if [ "$(cat "$made" 2>/dev/null)" != complete ]; then
    find "$root" -xdev -mindepth 1 -delete
    echo unfinished >"$made"
    say "debootstrap into $root"
    if ! apart 1800 debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" \
      "${DIT_MIRROR:-http://deb.debian.org/debian}" >"$root.log" 2>&1; then
      tail -n 20 "$root.log" >&2
      die "debootstrap failed; all it said is in $root.log"
    fi
    echo complete >"$made"
  fi
  cp -L /etc/resolv.conf "$root/etc/resolv.conf"
}

# inside SECONDS FOLDER COMMAND: in the root, with nothing of the host but its kernel.
inside() {
  # shellcheck disable=SC2016  # expanded by the inner shell
  apart "$1" bash -euc '
      mount -t proc proc "$1/proc"
      mount -t tmpfs -o mode=1777 tmpfs "$1/dev/shm"
      mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$1/dev/pts"
      status=0
      # Not by exec: this shell is process 1, which reaps what others leave.
      chroot "$1" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
        bash -c "cd $2 && $3" || status=$?
      exit $status' root "$root" "$2" "$3"
}
