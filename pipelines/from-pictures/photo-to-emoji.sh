#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A photo becomes an emoji, emoji.png: any picture that GStreamer reads, cut to a square, made small, and painted over.
#   pipelines/from-pictures/photo-to-emoji.sh [PHOTO [PROMPT [STYLE [STRENGTH]]]]
set -euo pipefail
root=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
export GST_PLUGIN_PATH="${DIT_BUILD:-$root/build}/plugin${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"

gst-launch-1.0 -q filesrc location="${1-$root/pipelines/images/photo.jpg}" ! decodebin ! videoconvert \
  ! aspectratiocrop aspect-ratio=1/1 ! videoscale \
  ! ditfilter prompt="${2-red apple}" style="${3-noto}" steps=8 strength="${4-0.8}" \
  ! video/x-raw,format=RGBA ! pngenc snapshot=true ! filesink location=emoji.png
