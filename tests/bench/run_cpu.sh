#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Compares our CPU executor with ONNX Runtime, OpenBLAS, TensorFlow.js and plain JavaScript: prints two tables, writes
# build/bench/cpu.json. Seven minutes; ONLY=javascript: the second table, two minutes.
#   tests/bench/run_cpu.sh [MODEL.safetensors ...]    default: the shipped models and the seed's configuration
# Installs Debian packages for the comparison and, under build/bench, what javascript/package.json names from npm; tests
# never do this.
# SECONDS_IN_ALL=100 makes it shorter; README=tests/bench/README.md puts the table there. The machine should be quiet.
set -euo pipefail
models=()
for model in "$@"; do models+=("$(realpath "$model")"); done
cd "$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")"

packages=(python3-onnx python3-numpy)
[ "${ONLY:-}" = javascript ] || packages+=(libopenblas0-pthread)
command -v npm >/dev/null || packages+=(nodejs npm)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq update
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}"
fi

mkdir -p build/bench
# The packages carry their binaries; an install script would only fetch GPU libraries.
if ! cmp -s tests/bench/javascript/package.json build/bench/package.json || [ ! -d build/bench/node_modules ]; then
  cp tests/bench/javascript/package.json build/bench/
  npm install --prefix build/bench --ignore-scripts --no-audit --no-fund --silent
fi
[ -f build/build.ninja ] || cmake --preset default >/dev/null
cmake --build build --target icon_cpu >/dev/null

exec /usr/bin/python3 -B tests/bench/compare_cpu.py --build build --ort build/bench --json build/bench/cpu.json \
  --seconds "${SECONDS_IN_ALL:-300}" ${ONLY:+--only "$ONLY"} ${README:+--readme "$README"} "${models[@]}"
