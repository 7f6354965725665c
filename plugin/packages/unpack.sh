#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Debian packages unpacked into a folder, of any architecture or suite, without root: nothing is installed, no script of
# theirs runs, and this machine's packages stay as they are.
#   plugin/packages/unpack.sh [--alone] ARCHITECTURE SUITE FOLDER PACKAGE...     --alone: without what they depend on
# DIT_MIRROR: a Debian mirror other than deb.debian.org.
set -euo pipefail
say() { printf 'unpack: %s\n' "$*"; }
die() { printf 'unpack: %s\n' "$*" >&2; exit 1; }
alone=false
if [ "${1-}" = --alone ]; then
  alone=true
  shift
fi
[ $# -ge 4 ] || die "expected [--alone] ARCHITECTURE SUITE FOLDER PACKAGE..., found '$*'"
architecture=$1 suite=$2 folder=$(realpath -m "$3")
shift 3
packages=("$@")
for tool in apt-get dpkg-deb tar; do
  command -v "$tool" >/dev/null || die "needs Debian's $tool"
done

# Whole is what says so, and of what it was made.
contents="$architecture $suite ${packages[*]}" made=$folder/.ditsrc-unpacked
[ "$(cat "$made" 2>/dev/null)" != "$contents" ] || exit 0
if [ -e "$folder" ] && [ ! -e "$made" ] && [ -n "$(ls -A "$folder")" ]; then
  die "$folder is there already, and not by this script: name another folder"
fi
mkdir -p "$folder"
find "$folder" -xdev -mindepth 1 -delete
echo unfinished >"$made"

# An apt of its own, which knows one source and no installed package.
apt=$(mktemp -d)
trap 'rm -rf "$apt"' EXIT
mkdir -p "$apt"/{state,cache}/{lists,archives}/partial "$apt/debs"
: >"$apt/status"
key=/usr/share/keyrings/debian-archive-keyring.gpg
printf 'deb [signed-by=%s] %s %s main\n' "$key" "${DIT_MIRROR:-http://deb.debian.org/debian}" "$suite" >"$apt/sources"
run_apt() {
  apt-get -qq -o Acquire::Retries=3 -o APT::Architecture="$architecture" -o APT::Architectures::="$architecture" \
    -o Dir::State="$apt/state" -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" \
    -o Dir::Etc::sourcelist="$apt/sources" -o Dir::Etc::sourceparts=- -o APT::Sandbox::User= "$@" >"$apt/log" 2>&1 ||
    { tail -n 20 "$apt/log" >&2; die "apt-get of $suite, $architecture failed: ${packages[*]}"; }
}
say "${#packages[@]} packages of $suite, $architecture, into $folder"
run_apt -o APT::Update::Error-Mode=any update
if $alone; then
  (cd "$apt/debs" && run_apt download "${packages[@]}")
else
  run_apt install --download-only -y --no-install-recommends "${packages[@]}"
  mv "$apt"/cache/archives/*.deb "$apt/debs"
fi

# As in any Debian of today.
mkdir -p "$folder"/usr/{bin,sbin,lib}
ln -s usr/bin usr/sbin usr/lib "$folder"
for package in "$apt"/debs/*.deb; do
  dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink --no-same-owner -C "$folder"
done
# Links to absolute paths mean this folder, not the machine.
find "$folder" -type l -lname '/*' -print0 | while IFS= read -r -d '' link; do
  target=$folder$(readlink "$link")
  [ ! -e "$target" ] || ln -sfn --relative "$target" "$link"
done
echo "$contents" >"$made"
say "$(du -sh "$folder" | cut -f1) in $folder"
