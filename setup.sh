#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs the Debian packages that ditsrc needs; does nothing when all are there.
#   ./setup.sh           what building and painting need
#   ./setup.sh --tests   that and what the tests need
#   ./setup.sh --arm64   what cross-building for 64-bit Arm needs: compiler, qemu-user, libraries in build/arm64-root
#   ./setup.sh --list    print the packages of both groups, install nothing
set -euo pipefail

build_packages=(
  g++ cmake ninja-build pkg-config
  glslc libvulkan-dev libhwy-dev
  libfmt-dev libutf8proc-dev nlohmann-json3-dev libcli11-dev libpng-dev zlib1g-dev
  libwebp-dev libgif-dev libssl-dev gettext
  libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev
  gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good)
test_packages=(
  libgtest-dev libbenchmark-dev clang-format git spirv-tools
  dpkg-dev lintian appstream groff-base zsh fish
  mesa-vulkan-drivers vulkan-validationlayers libshaderc1
  python3 python3-torch python3-onnx python3-numpy python3-pil librsvg2-2
  python3-yaml python3-gi python3-gst-1.0 gir1.2-gst-plugins-base-1.0
  ffmpeg webp icoutils file parallel chromium-headless-shell
  gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-nice gir1.2-gst-plugins-bad-1.0
  gstreamer1.0-plugins-base-apps gir1.2-ges-1.0 valgrind)
arm64_packages=(g++-aarch64-linux-gnu qemu-user)

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

packages=("${build_packages[@]}")
case "${1-}" in
  '') ;;
  --tests) packages+=("${test_packages[@]}") ;;
  --arm64) packages+=("${arm64_packages[@]}") ;;
  --list)
    printf 'to build: %s\nfor tests: %s\nfor arm64: %s\n' "${build_packages[*]}" "${test_packages[*]}" "${arm64_packages[*]}"
    exit 0 ;;
  -h | --help)
    sed -n '3,7s/^# \{0,1\}//p' "$0"
    exit 0 ;;
  *)
    printf "setup: unknown option '%s'; expected --tests, --arm64 or --list\n" "$1" >&2
    exit 2 ;;
esac

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  die "this is not Debian (no apt-get). Install the counterparts of these Debian 12 packages, then build with
  cmake --preset release && cmake --build build
packages: ${packages[*]}"
fi

# In a folder of their own, as installing libgstreamer-plugins-base1.0-dev for arm64 would remove this machine's.
unpack_arm64() {
  local package libraries=()
  for package in "${build_packages[@]}" "${test_packages[@]}"; do
    [[ $package != *-dev || $package == dpkg-dev ]] || libraries+=("$package")
  done
  "$(dirname "$(readlink -f "$0")")/plugin/packages/unpack.sh" arm64 "$(. /etc/os-release && echo "$VERSION_CODENAME")" \
    "${DIT_ARM64_ROOT:-$(dirname "$(readlink -f "$0")")/build/arm64-root}" "${libraries[@]}"
}

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null || true)
  grep -qx installed <<<"$status" || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  say "all ${#packages[@]} packages are installed"
  [ "${1-}" != --arm64 ] || unpack_arm64
  exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || die "need root to install ${missing[*]}: run this as root, or install sudo"
  as_root=(sudo)
fi
apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -qq "$@"
}

say "installing ${missing[*]}"
if ! apt update; then
  say "apt-get update failed; once more in 5 s"
  sleep 5
  apt update || die "apt-get update failed twice: is the network up, are the sources in /etc/apt right?"
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! apt install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  die "apt-get install failed (Debian 12 or later has all of these packages): ${missing[*]}"
fi
say "installed ${#missing[@]} packages"
[ "${1-}" != --arm64 ] || unpack_arm64
