#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Every denoising step of one icon as a numbered PNG file, step-00.png onwards.
#   pipelines/steps.sh [PROMPT [STEPS]]
set -euo pipefail
root=$(dirname "$(dirname "$(readlink -f "$0")")")
export GST_PLUGIN_PATH="${DIT_BUILD:-$root/build}/plugin${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"

steps=${2-8}
gst-launch-1.0 -q ditsrc prompt="${1-castle}" style=fluent-emoji seed=1 steps="$steps" emit=steps num-buffers="$steps" \
  ! video/x-raw,framerate=10/1 ! pngenc ! multifilesink location=step-%02d.png
