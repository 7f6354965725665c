#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# From a fresh clone to a first icon: installs, builds, paints icon.png and steps.png into the current folder.
#   pipelines/first-icon.sh [PROMPT [STYLE [SEED]]]
set -euo pipefail
root=$(dirname "$(dirname "$(readlink -f "$0")")")
build=${DIT_BUILD:-$root/build}
prompt=${1-green heart} style=${2-fluent-emoji} seed=${3-1}

now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }
seconds() { printf '%d.%d s' $(($1 / 1000)) $(($1 % 1000 / 100)); }

"$root/setup.sh"

start=$(now_ms)
if [ ! -f "$build/CMakeCache.txt" ]; then
  (cd "$root" && cmake --preset release -B "$build" >/dev/null)
fi
cmake --build "$build" --target dit gstdit
built=$(now_ms)

export GST_PLUGIN_PATH="$build/plugin${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"
gst-launch-1.0 -q ditsrc prompt="$prompt" style="$style" seed="$seed" num-buffers=1 \
  ! pngenc ! filesink location=icon.png
painted=$(now_ms)

# The same seed again, this time with a look at every step.
"$build/dit" generate --quiet --prompt "$prompt" --style "$style" --seed "$seed" \
  --output /dev/null --sheet steps.png

echo "built in $(seconds $((built - start))); icon.png $(seconds $((painted - built))) after the build"
echo "icon.png: '$prompt' in style $style, seed $seed; steps.png: how it came about"
