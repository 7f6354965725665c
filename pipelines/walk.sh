#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A walk from icon to icon that comes back to its start, as walk.webp (with transparency) and walk.mp4 (over white).
#   pipelines/walk.sh [PROMPT [STYLE [SEED]]]
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/programs/common.bash"
if ! gst-inspect-1.0 --exists x264enc; then
  echo "skipped: no element x264enc; install Debian's gstreamer1.0-plugins-ugly" >&2
  exit 77
fi

# Twelve frames from each of three icons to the next. A WebP player goes on by itself; the film shows three rounds.
icons=3 between=12 rounds=3
walk="ditsrc name=paint steps=4 walk=$between walk-loop=$icons"
text=(paint.prompt="${1-cat face}" paint.style="${2-noto}" paint.seed="${3-1}")
launch "$walk num-buffers=$((icons * between)) ! video/x-raw,framerate=12/1 ! ditwebpenc ! filesink location=walk.webp" \
  "${text[@]}"
launch "$walk num-buffers=$((rounds * icons * between))
  ! video/x-raw,format=RGBx,framerate=12/1 ! videoscale method=nearest-neighbour ! video/x-raw,width=512,height=512
  ! videoconvert ! video/x-raw,format=I420 ! x264enc ! mp4mux ! filesink location=walk.mp4" "${text[@]}"
