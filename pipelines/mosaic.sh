#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Four elements in one pipeline, side by side on one transparent page of 256x64, mosaic.png.
#   pipelines/mosaic.sh [STYLE]
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/programs/common.bash"

style=${1-fluent-emoji}
launch 'compositor name=page background=transparent sink_1::xpos=64 sink_2::xpos=128 sink_3::xpos=192
  ! video/x-raw,format=RGBA,width=256,height=64 ! pngenc snapshot=true ! filesink location=mosaic.png
  ditsrc name=a prompt=rocket seed=1 num-buffers=1 ! video/x-raw,framerate=1/1 ! page.sink_0
  ditsrc name=b prompt=pizza seed=1 num-buffers=1 ! video/x-raw,framerate=1/1 ! page.sink_1
  ditsrc name=c prompt=castle seed=1 num-buffers=1 ! video/x-raw,framerate=1/1 ! page.sink_2
  ditsrc name=d prompt=guitar seed=1 num-buffers=1 ! video/x-raw,framerate=1/1 ! page.sink_3' \
  a.style="$style" b.style="$style" c.style="$style" d.style="$style"
