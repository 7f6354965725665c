#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Chosen Vulkan tests on every driver of this machine, as the table driver × tests of tests/README.md.
#   tests/drivers.sh [--backports] [DRIVER...]     DRIVER: part of a name below; none: all
# Debian brings llvmpipe and RADV in mesa-vulkan-drivers, SwiftShader in chromium-common. --backports: also those of
# this Debian's backports, unpacked into build/mesa-backports.
# DIT_BUILD: the build tree; DIT_DRIVER_SECONDS: most for a cell, default 600.
set -uo pipefail
cd "$(dirname "$(dirname "$(readlink -f "$0")")")" || exit
[ "${1-}" != --help ] || { sed -n '3,7s/^# *//p' tests/drivers.sh; exit; }
tests=${DIT_BUILD:-build}/dit_tests
limit=${DIT_DRIVER_SECONDS:-600}
log=${DIT_BUILD:-build}/drivers.log
backports=build/mesa-backports
if [ "${1-}" = --backports ]; then
  shift
  suite=$(. /etc/os-release && echo "$VERSION_CODENAME")-backports
  plugin/packages/unpack.sh --alone "$(dpkg --print-architecture)" "$suite" "$backports" \
    mesa-vulkan-drivers libdrm2 libdrm-amdgpu1 >&2 || exit
fi

# Columns: what is tested, and by which tests of dit_tests.
columns=(
  'ops=Executors/*Ops*.*/vulkan'
  'networks=Executors/Network*.*/vulkan:Executors/Variants.*/vulkan:Executors/WholeSteps.*/vulkan'
  'sessions=Executors/*Sessions.*/vulkan:Executors/Prefetch.*/vulkan:Executors/Pipelines.*/vulkan'
  'device=Vulkan.*:PrefetchOnVulkan.*:Devices.*'
  'kernels compile=Radv/NullDevice.*'
  'icons=')  # of the shipped model, all steps: how far from those of the CPU, in 255ths
# Rows: a name, and where the loader finds the driver.
shared=/usr/share/vulkan/icd.d
drivers=(
  "llvmpipe=$(compgen -G "$shared/lvp_icd.*json" | head -n 1)"
  "SwiftShader=$(compgen -G '/usr/lib/chromium/vk_swiftshader_icd.json')"
  "RADV, null=$(compgen -G "$shared/radeon_icd.*json" | head -n 1)"
  "llvmpipe of backports=$(compgen -G "$PWD/$backports$shared/lvp_icd.*json" | head -n 1)"
  "RADV of backports, null=$(compgen -G "$PWD/$backports$shared/radeon_icd.*json" | head -n 1)"
  "NVIDIA=$(compgen -G "$shared/nvidia_icd*.json" | head -n 1)")

# with ICD COMMAND...: with that driver alone, and with the libraries that were unpacked beside it.
with() {
  local icd=$1 libraries=''
  shift
  [[ $icd == "$shared"/* ]] || libraries=$(compgen -G "${icd%/share/vulkan/*}/lib/*-linux-gnu")
  env LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" VK_ICD_FILENAMES="$icd" VK_DRIVER_FILES="$icd" \
    DIT_CACHE= "$@"
}

# icons ICD: "0.5" where no value is further than that from the CPU's.
icons() {
  local output status=0
  output=$(with "$1" timeout --kill-after=5 "$limit" /usr/bin/python3 tests/pictures.py \
    "${tests%_tests} --device cpu --precision f32" "${tests%_tests} --device vulkan:0" 2>&1) || status=$?
  printf '== icons\n%s\n' "$output" >>"$log"
  if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
    printf 'not within %s s' "$limit"
  elif [ "$status" -ne 0 ]; then
    printf '**failed**'
  else
    sed -n 's/.*largest difference \([0-9.]*\) of 255.* \([0-9]* of [0-9]*\) pixels differ.*/\1, \2 pixels/p' <<<"$output"
  fi
}

# cell NAME ICD FILTER: "12 passed", "3 of 12 failed", "time", or "-" where no test ran.
cell() {
  local name=$1 icd=$2 filter=$3 output status=0 passed skipped failed
  output=$(with "$icd" timeout --kill-after=5 "$limit" \
    "$tests" --gtest_filter="$filter" --gtest_brief=1 2>&1) || status=$?
  printf '== %s: %s\n%s\n' "$name" "$filter" "$output" >>"$log"
  passed=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) tests\{0,1\}.*/\1/p' <<<"$output")
  skipped=$(sed -n 's/^\[  SKIPPED \] \([0-9]*\) tests\{0,1\}.*/\1/p' <<<"$output")
  failed=$(grep -c '^\[  FAILED  \] .* ms)$' <<<"$output")
  if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
    printf 'not within %s s' "$limit"
  elif [ -z "$passed" ]; then
    printf 'ended by %s' "$status"
  elif [ "$passed" -eq 0 ] && [ -z "$skipped" ]; then
    printf '**no such tests**'
  else
    printf '%s passed' "$passed"
    [ -z "$skipped" ] || printf ', %s skipped' "$skipped"
    [ "$failed" -eq 0 ] || printf ', **%s failed**' "$failed"
  fi
}

for wanted in "$@"; do
  if ! printf '%s\n' "${drivers[@]%%=*}" | grep -qiF -e "$wanted"; then
    printf 'tests/drivers.sh: expected part of a name (%s), found %q\n' "$(printf '%s; ' "${drivers[@]%%=*}")" "$wanted" >&2
    exit 2
  fi
done
[ -x "$tests" ] || { printf 'tests/drivers.sh: %s is not there: build first, or set DIT_BUILD\n' "$tests" >&2; exit 1; }
: >"$log"
printf '| driver |'
printf ' %s |' "${columns[@]%%=*}"
printf '\n|---|'
printf '%.0s---|' "${columns[@]}"
printf '\n'
all_passed=true
for driver in "${drivers[@]}"; do
  name=${driver%%=*} icd=${driver#*=}
  [ $# -eq 0 ] || grep -qiF -e "$(printf '%s\n' "$@")" <<<"$name" || continue
  if [ -z "$icd" ]; then
    printf '| %s | not installed |\n' "$name"
    continue
  fi
  version=$(with "$icd" RADV_FORCE_FAMILY=navi21 "${tests%_tests}" devices |
    awk -F '  +' '$1 == "vulkan:0" { print $6; exit }')
  printf '| %s%s |' "$name" "${version:+ ($version)}"
  for column in "${columns[@]}"; do
    filter=${column#*=}
    # A null device runs nothing; a device that runs needs no compiling for others.
    case $name:$column in
      RADV*:kernels* | [!R]*:[!ki]*) result=$(cell "$name" "$icd" "$filter") ;;
      [!R]*:icons*) result=$(icons "$icd") ;;
      *) result=- ;;
    esac
    case $result in *failed* | ended* | not* | *no\ such*) all_passed=false ;; esac
    printf ' %s |' "$result"
  done
  printf '\n'
done
$all_passed || { printf 'tests/drivers.sh: what failed and why is in %s\n' "$log" >&2; exit 1; }
