#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A wall of icons that follow a camera, camera-wall.webp: its picture, and five filters on one engine. Without a camera a
# red ball that swings.
#   pipelines/from-pictures/camera-wall.sh [DEVICE|ball [FRAMES [STRENGTH]]]
set -euo pipefail
. "$(dirname "$(dirname "$(readlink -f "$0")")")/programs/common.bash"

camera=${1-ball} frames=${2-16} strength=${3-0.7} text=()
number FRAMES "$frames" 1 100000
if [ "$camera" = ball ]; then
  # Clear around the ball, as an icon is around its thing; and four times as fast as it swings by itself.
  source="videotestsrc pattern=ball animation-mode=frames num-buffers=$((4 * frames)) foreground-color=0xffe02818
    background-color=0x00ffffff ! video/x-raw,format=RGBA,width=80,height=80,framerate=32/1"
elif [ -c "$camera" ]; then
  source="v4l2src name=camera num-buffers=$frames ! videoconvert ! aspectratiocrop aspect-ratio=1/1"
  text=("camera.device=$camera")
else
  say "skipped: no camera $(shown "$camera"); 'ball' needs none"
  exit 77
fi

icons=("sun twemoji" "balloon fluent-emoji" "red apple noto" "tomato noto" "red heart noto")
page=sink_0::xpos=0 branches='frames. ! queue ! page.sink_0'
for k in "${!icons[@]}"; do
  tile=$((k + 1))
  page+=" sink_$tile::xpos=$((tile % 3 * 64)) sink_$tile::ypos=$((tile / 3 * 64))"
  branches+=" frames. ! queue ! ditfilter name=icon$k seed=1 steps=4 ! queue ! page.sink_$tile"
  text+=("icon$k.prompt=${icons[k]% *}" "icon$k.style=${icons[k]##* }" "icon$k.strength=$strength")
done
launch "compositor name=page background=transparent $page
  ! video/x-raw,format=RGBA,width=192,height=128 ! ditwebpenc ! filesink location=camera-wall.webp
  $source ! videoconvert ! videoscale ! videorate drop-only=true ! video/x-raw,format=RGBA,width=64,height=64,framerate=8/1
  ! tee name=frames $branches" "${text[@]}"
