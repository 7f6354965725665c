#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A wall of sixteen icons, wall.png: as many elements on one engine, put together by compositor.
#   pipelines/wall.sh [STYLE]
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/programs/common.bash"

prompts=("green heart" rocket pizza castle guitar robot crown rainbow "cat face" tree house "red apple" sun key gem dog)
page='' icons='' text=()
for k in "${!prompts[@]}"; do
  page+=" sink_$k::xpos=$((k % 4 * 64)) sink_$k::ypos=$((k / 4 * 64))"
  icons+=" ditsrc name=icon$k seed=1 num-buffers=1 ! video/x-raw,framerate=1/1 ! queue ! page.sink_$k"
  text+=("icon$k.prompt=${prompts[k]}" "icon$k.style=${1-fluent-emoji}")
done
launch "compositor name=page background=transparent $page
  ! video/x-raw,format=RGBA,width=256,height=256 ! pngenc snapshot=true ! filesink location=wall.png $icons" "${text[@]}"
