#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The packages of a build as a user installs them: into a bare root of this machine's Debian. As root.
#   tests/packages.sh [ROOT]     ROOT: build/packages-root, kept for the next time
# DIT_BUILD: the build tree, built; DIT_MIRROR: a Debian mirror other than deb.debian.org.
set -euo pipefail
tree=$(dirname "$(dirname "$(readlink -f "$0")")")
build=${DIT_BUILD:-$tree/build}
name=tests/packages.sh
# shellcheck source=tests/roots.sh
. "$tree/tests/roots.sh"
case "${1-}" in
  -*) printf "%s: unknown option '%s'; expected a folder or nothing\n" "$name" "$1" >&2; exit 2 ;;
esac
root=$(realpath -m "${1:-$build/packages-root}")

say 'cpack'
rm -rf "$build/packages/made"
cpack -G DEB --config "$build/CPackConfig.cmake" -B "$build/packages/made" >"$build/packages/cpack.log" 2>&1 ||
  { tail -n 20 "$build/packages/cpack.log" >&2; die "cpack failed: is $build built?"; }
make_root "$(. /etc/os-release && echo "$VERSION_CODENAME")"
rm -rf "$root/packages"
mkdir "$root/packages"
cp "$build/packages/made"/*.deb "$root/packages"

# The first five pipelines of README.md, as they stand there.
awk '/^```sh$/ { block = ""; inside = 1; next }
     /^```$/ { if (inside && block ~ /^gst-launch-1.0/) print block; inside = 0 }
     inside { block = block $0 "\n" }' "$tree/README.md" | sed '/^$/d' >"$root/packages/readme.sh"
pipelines=$(grep -c '^gst-launch-1.0' "$root/packages/readme.sh")
[ "$pipelines" -ge 4 ] || die "README.md: expected four pipelines or more, found $pipelines"

cat >"$root/packages/user.sh" <<'USER'
set -euo pipefail
cd "$(mktemp -d)"
printf 'as %s, HOME=%s\n' "$(id -un)" "${HOME-unset}"
gst-inspect-1.0 --exists ditsrc
bash -eu /packages/readme.sh >launch.log 2>&1 || { tail -n 20 launch.log; exit 1; }
dit generate --prompt "red apple" --style noto --seed 3 -o apple.png
dit words cat | head -n 3
ls -l
for file in rocket.png h0.png h3.png castle.webp favicon.ico apple.png; do [ -s "$file" ] || { echo "no $file"; exit 1; }; done
USER
# apt reads each file from the command line; what the pipelines use beside ours is gstreamer1.0-plugins-good.
say 'apt install'
inside 1200 /packages 'export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq && apt-get install -qq -y --no-install-recommends --reinstall ./*.deb \
    gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good' >"$root.apt.log" 2>&1 ||
  { tail -n 20 "$root.apt.log" >&2; die "apt-get failed; all it said is in $root.apt.log"; }
for home in 'HOME=/nonexistent' '-u HOME'; do
  inside 600 /packages "setpriv --reuid=65534 --regid=65534 --clear-groups env $home bash /packages/user.sh" </dev/null
done
say 'apt purge'
inside 300 /packages 'dpkg -L gstreamer1.0-dit dit dit-models | sort -u >files
  apt-get purge -qq -y gstreamer1.0-dit dit dit-models >/dev/null
  while read -r file; do [ -d "$file" ] && [ ! -L "$file" ] || [ ! -e "$file" ] || echo "left: $file"; done <files >left
  [ -s files ] && [ ! -e /usr/share/ditsrc ] && [ ! -s left ]' || { cat "$root/packages/left" >&2; die 'purge left files'; }
say "$(. /etc/os-release && echo "$PRETTY_NAME"): packages paint as a user without a home, and go without a trace"
