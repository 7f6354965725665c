#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds for 64-bit Arm on this machine, runs the engine's tests with the CPU executor under qemu-user, and compares
# icons with those of this machine's own build. Exit 77: skipped, as packages are missing.
#   tests/arm64.sh [--engine]    --engine: without GStreamer's plugin
# DIT_BUILD: this machine's build, default build; DIT_ARM64_ROOT: arm64's libraries, default build/arm64-root.
set -euo pipefail
cd "$(dirname "$(dirname "$(readlink -f "$0")")")"
own=${DIT_BUILD:-build}
export DIT_ARM64_ROOT=${DIT_ARM64_ROOT:-$PWD/build/arm64-root}
say() { printf 'tests/arm64.sh: %s\n' "$*"; }
plugin=ON
case "${1-}" in
  '') ;;
  --engine) plugin=OFF ;;
  *) printf "tests/arm64.sh: unknown option '%s'; expected --engine or nothing\n" "$1" >&2; exit 2 ;;
esac
skip() { say "skipped: $*"; exit 77; }
./setup.sh --arm64 || skip 'the packages for arm64 are not to be had here'
/usr/bin/python3 -c 'import numpy, PIL' || skip 'pictures are compared with python3-numpy and python3-pil'
if [ ! -x "$own/dit" ]; then
  cmake -B "$own" --preset release >/dev/null
  cmake --build "$own" --target dit
fi

cmake --preset arm64 -DDIT_BUILD_PLUGIN=$plugin >/dev/null
targets=(dit dit_tests)
[ "$plugin" = OFF ] || targets+=(gstdit dit_manual_pages dit_pages)
cmake --build --preset arm64 --target "${targets[@]}"

# No Vulkan here: no driver for arm64 would run under qemu but llvmpipe, whose compiler it would have to emulate too.
emulated=(qemu-aarch64 -L "$DIT_ARM64_ROOT")
filter='*/cpu:Cpu*.*:*Pairs*.*:FastCpus.*:ExpandedWeights.*:Int8.*:Precision.*:ThreadPool.*:Cache.*:Files.*:NewFiles.*:Printable.*:FuzzCorpus.*'
filter+=':Gguf.*:JsonText.*:Lexicon.*:Pieces.*:Model*.*:Npy.*:Onnx.*:Prompts.*:Quantised.*:Safetensors.*:Weights.*:Text.*'
filter+=':Vocabulary.*:Wts1*.*:Noise.*:PromptRows.*:RecorderTest.*:Sampler.*:Engines.*:Turns.*:SelfTest*.*:OlderWeights.*'
filter+=':Compile.*:Emit.*:Fuse.*:Layout.*:Tile.*:Allocations.*:Diffusor.*'
DIT_CACHE='' "${emulated[@]}" build/arm64/dit_tests --gtest_brief=1 --gtest_filter="$filter"
DIT_CACHE='' /usr/bin/python3 tests/pictures.py "$own/dit --device cpu --precision f32" "${emulated[*]} build/arm64/dit --device cpu --precision f32"
say 'arm64 builds, passes and paints the same icons'
