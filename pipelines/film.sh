#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A WebM film, film.webm: three icons emerge from noise, each held for a second, enlarged to 512x512.
#   pipelines/film.sh [PROMPT]
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/programs/common.bash"

steps=16 hold=10 icons=3
launch "ditsrc name=paint style=fluent-emoji seed=1 steps=$steps emit=steps hold=$hold
  num-buffers=$((icons * (steps + hold - 1)))
  ! video/x-raw,format=RGBx,framerate=10/1 ! videoscale method=nearest-neighbour ! video/x-raw,width=512,height=512
  ! videoconvert ! vp9enc deadline=1 cpu-used=8 ! webmmux ! filesink location=film.webm" paint.prompt="${1-rocket}"
