#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# One icon enlarged to 512x512 with square pixels and its transparency, big.png.
#   pipelines/big-icon.sh [PROMPT]
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/programs/common.bash"

launch 'ditsrc name=paint style=fluent-emoji seed=1 num-buffers=1
  ! videoscale method=nearest-neighbour ! video/x-raw,width=512,height=512 ! pngenc ! filesink location=big.png' \
  paint.prompt="${1-pizza}"
