#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Every step of one icon as one animated PNG, apng.png: from noise to the finished icon, shown for a second, for ever.
#   pipelines/apng.sh [PROMPT [STEPS]]
set -euo pipefail
root=$(dirname "$(dirname "$(readlink -f "$0")")")
export GST_PLUGIN_PATH="${DIT_BUILD:-$root/build}/plugin${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"

steps=${2-8}
gst-launch-1.0 -q ditsrc prompt="${1-castle}" style=fluent-emoji seed=1 steps="$steps" emit=steps hold=10 \
  num-buffers=$((steps + 9)) ! video/x-raw,framerate=10/1 ! pngenc ! ditapngmux ! filesink location=apng.png
