#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# From a fresh clone to a first icon: installs, builds, paints icon.png and steps.png into the current folder.
#   pipelines/first-icon.sh [PROMPT [STYLE [SEED]]]
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/programs/common.bash"
prompt=${1-green heart} style=${2-fluent-emoji} seed=${3-1}

now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }
seconds() { printf '%d.%d s' $(($1 / 1000)) $(($1 % 1000 / 100)); }

"$root/setup.sh"

start=$(now_ms)
if [ ! -f "$build/CMakeCache.txt" ]; then
  (cd "$root" && cmake --preset release -B "$build" >/dev/null)
fi
cmake --build "$build" --target dit gstdit launch
built=$(now_ms)

launch 'ditsrc name=paint num-buffers=1 ! pngenc ! filesink location=icon.png' \
  paint.prompt="$prompt" paint.style="$style" paint.seed="$seed"
painted=$(now_ms)

# The same seed again, this time with a look at every step.
options=()
option prompt "$prompt"
option style "$style"
option seed "$seed"
"$build/dit" generate --quiet "${options[@]}" --output /dev/null --sheet steps.png

echo "built in $(seconds $((built - start))); icon.png $(seconds $((painted - built))) after the build"
echo "icon.png: $(shown "$prompt") in style $(shown "$style"), seed $seed; steps.png: how it came about"
