#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# One icon enlarged to 512x512 with square pixels and its transparency, big.png.
#   pipelines/big-icon.sh [PROMPT]
set -euo pipefail
root=$(dirname "$(dirname "$(readlink -f "$0")")")
export GST_PLUGIN_PATH="${DIT_BUILD:-$root/build}/plugin${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"

gst-launch-1.0 -q ditsrc prompt="${1-pizza}" style=fluent-emoji seed=1 num-buffers=1 \
  ! videoscale method=nearest-neighbour ! video/x-raw,width=512,height=512 ! pngenc ! filesink location=big.png
