#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Four icons of one prompt as numbered PNG files, h0.png to h3.png: each frame is another icon of the seed's series.
#   pipelines/four-hearts.sh [PROMPT [STYLE [SEED]]]
set -euo pipefail
root=$(dirname "$(dirname "$(readlink -f "$0")")")
export GST_PLUGIN_PATH="${DIT_BUILD:-$root/build}/plugin${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"

gst-launch-1.0 -q ditsrc prompt="${1-green heart}" style="${2-fluent-emoji}" seed="${3-1}" num-buffers=4 \
  ! video/x-raw,framerate=2/1 ! pngenc ! multifilesink location=h%d.png
