#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# An icon over a colour as JPEG, which has no transparency, on-colour.jpg.
#   pipelines/on-colour.sh [0xRRGGBB [PROMPT]]
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/programs/common.bash"

launch 'ditsrc name=paint style=fluent-emoji seed=1 num-buffers=1
  ! video/x-raw,format=RGB ! jpegenc quality=95 ! filesink location=on-colour.jpg' \
  paint.background="${1-0x2040a0}" paint.prompt="${2-rainbow}"
