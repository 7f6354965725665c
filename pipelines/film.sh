#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A WebM film, film.webm: three icons emerge from noise, each held for a second, enlarged to 512x512.
#   pipelines/film.sh [PROMPT]
set -euo pipefail
root=$(dirname "$(dirname "$(readlink -f "$0")")")
export GST_PLUGIN_PATH="${DIT_BUILD:-$root/build}/plugin${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"

steps=16 hold=10 icons=3
gst-launch-1.0 -q ditsrc prompt="${1-rocket}" style=fluent-emoji seed=1 steps=$steps emit=steps hold=$hold \
  num-buffers=$((icons * (steps + hold - 1))) \
  ! video/x-raw,format=RGBx,framerate=10/1 ! videoscale method=nearest-neighbour ! video/x-raw,width=512,height=512 \
  ! videoconvert ! vp9enc deadline=1 cpu-used=8 ! webmmux ! filesink location=film.webm
