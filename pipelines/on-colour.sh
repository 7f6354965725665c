#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# An icon over a colour as JPEG, which has no transparency, on-colour.jpg.
#   pipelines/on-colour.sh [0xRRGGBB [PROMPT]]
set -euo pipefail
root=$(dirname "$(dirname "$(readlink -f "$0")")")
export GST_PLUGIN_PATH="${DIT_BUILD:-$root/build}/plugin${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"

gst-launch-1.0 -q ditsrc background="${1-0x2040a0}" prompt="${2-rainbow}" style=fluent-emoji seed=1 num-buffers=1 \
  ! video/x-raw,format=RGB ! jpegenc quality=95 ! filesink location=on-colour.jpg
