#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Sixteen icons of one prompt on a contact sheet, contact-sheet.png.
#   pipelines/contact-sheet.sh [PROMPT [STYLE [SEED]]]
set -euo pipefail
root=$(dirname "$(dirname "$(readlink -f "$0")")")
export GST_PLUGIN_PATH="${DIT_BUILD:-$root/build}/plugin${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"

gst-launch-1.0 -q ditsrc prompt="${1-rocket}" style="${2-fluent-emoji}" seed="${3-1}" num-buffers=16 \
  ! ditsheet columns=8 spacing=4 ! pngenc ! filesink location=contact-sheet.png
