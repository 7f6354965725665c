#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Four icons of one prompt as numbered PNG files, h0.png to h3.png: each frame is another icon of the seed's series.
#   pipelines/four-hearts.sh [PROMPT [STYLE [SEED]]]
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/programs/common.bash"

launch 'ditsrc name=paint num-buffers=4 ! video/x-raw,framerate=2/1 ! pngenc ! multifilesink location=h%d.png' \
  paint.prompt="${1-green heart}" paint.style="${2-fluent-emoji}" paint.seed="${3-1}"
