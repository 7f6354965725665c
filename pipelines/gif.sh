#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Four icons of one prompt as an animated GIF, icons.gif, half a second each.
#   pipelines/gif.sh [PROMPT [STYLE [SEED]]]
set -euo pipefail
root=$(dirname "$(dirname "$(readlink -f "$0")")")
export GST_PLUGIN_PATH="${DIT_BUILD:-$root/build}/plugin${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"

gst-launch-1.0 -q ditsrc prompt="${1-green heart}" style="${2-fluent-emoji}" seed="${3-1}" num-buffers=4 \
  ! video/x-raw,framerate=2/1 ! ditgifenc ! filesink location=icons.gif
