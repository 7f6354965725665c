#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Icons a second on this machine, as fpsdisplaysink counts them.
#   pipelines/fps.sh [COUNT [DEVICE [BATCH]]]
set -euo pipefail
root=$(dirname "$(dirname "$(readlink -f "$0")")")
export GST_PLUGIN_PATH="${DIT_BUILD:-$root/build}/plugin${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"

gst-launch-1.0 -v ditsrc device="${2-auto}" batch-size="${3-1}" prompt=rocket num-buffers="${1-100}" \
  ! fpsdisplaysink text-overlay=false sync=false video-sink=fakesink fps-update-interval=300 \
  | grep -o 'rendered: .*' | tail -n 1
