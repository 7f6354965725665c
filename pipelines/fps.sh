#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Icons a second on this machine, as fpsdisplaysink counts them.
#   pipelines/fps.sh [COUNT [DEVICE [BATCH]]]
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/programs/common.bash"

count=${1-100}
number COUNT "$count" 1 1000000000
launch --print fps.last-message 'ditsrc name=paint prompt=rocket
  ! fpsdisplaysink name=fps text-overlay=false sync=false video-sink=fakesink fps-update-interval=300' \
  paint.num-buffers="$count" paint.device="${2-auto}" paint.batch-size="${3-1}"
