#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A photo becomes an emoji, emoji.png: any picture of pixels that GStreamer reads, cut to a square, made small, and painted over.
#   pipelines/from-pictures/photo-to-emoji.sh [PHOTO [PROMPT [STYLE [STRENGTH]]]]
set -euo pipefail
. "$(dirname "$(dirname "$(readlink -f "$0")")")/programs/common.bash"

launch "filesrc name=photo ! decodebin ! videoconvert ! aspectratiocrop aspect-ratio=1/1 ! videoscale
  ! ditfilter name=paint steps=8 ! video/x-raw,format=RGBA ! pngenc snapshot=true ! filesink location=emoji.png" \
  "photo.location=${1-$root/pipelines/images/photo.jpg}" "paint.prompt=${2-red apple}" "paint.style=${3-noto}" "paint.strength=${4-0.8}"
