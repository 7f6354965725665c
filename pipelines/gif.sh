#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Four icons of one prompt as an animated GIF, icons.gif, half a second each.
#   pipelines/gif.sh [PROMPT [STYLE [SEED]]]
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/programs/common.bash"

launch 'ditsrc name=paint num-buffers=4 ! video/x-raw,framerate=2/1 ! ditgifenc ! filesink location=icons.gif' \
  paint.prompt="${1-green heart}" paint.style="${2-fluent-emoji}" paint.seed="${3-1}"
