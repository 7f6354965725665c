#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Four elements in one pipeline, side by side on one transparent page of 256x64, mosaic.png.
#   pipelines/mosaic.sh [STYLE]
set -euo pipefail
root=$(dirname "$(dirname "$(readlink -f "$0")")")
export GST_PLUGIN_PATH="${DIT_BUILD:-$root/build}/plugin${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"

style=${1-fluent-emoji}
gst-launch-1.0 -q compositor name=page background=transparent sink_1::xpos=64 sink_2::xpos=128 sink_3::xpos=192 \
  ! video/x-raw,format=RGBA,width=256,height=64 ! pngenc snapshot=true ! filesink location=mosaic.png \
  ditsrc prompt=rocket style="$style" seed=1 num-buffers=1 ! video/x-raw,framerate=1/1 ! page.sink_0 \
  ditsrc prompt=pizza style="$style" seed=1 num-buffers=1 ! video/x-raw,framerate=1/1 ! page.sink_1 \
  ditsrc prompt=castle style="$style" seed=1 num-buffers=1 ! video/x-raw,framerate=1/1 ! page.sink_2 \
  ditsrc prompt=guitar style="$style" seed=1 num-buffers=1 ! video/x-raw,framerate=1/1 ! page.sink_3
