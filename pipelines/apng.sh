#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Every step of one icon as one animated PNG, apng.png: from noise to the finished icon, shown for a second, for ever.
#   pipelines/apng.sh [PROMPT [STEPS]]
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/programs/common.bash"

steps=${2-8}
number STEPS "$steps" 1 1000
launch "ditsrc name=paint style=fluent-emoji seed=1 steps=$steps emit=steps hold=10 num-buffers=$((steps + 9))
  ! video/x-raw,framerate=10/1 ! pngenc ! ditapngmux ! filesink location=apng.png" paint.prompt="${1-castle}"
