#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Every denoising step of one icon as a numbered PNG file, step-00.png onwards.
#   pipelines/steps.sh [PROMPT [STEPS]]
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/programs/common.bash"

steps=${2-8}
number STEPS "$steps" 1 1000
launch "ditsrc name=paint style=fluent-emoji seed=1 steps=$steps emit=steps num-buffers=$steps
  ! video/x-raw,framerate=10/1 ! pngenc ! multifilesink location=step-%02d.png" paint.prompt="${1-castle}"
