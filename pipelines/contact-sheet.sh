#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Sixteen icons of one prompt on a contact sheet, contact-sheet.png.
#   pipelines/contact-sheet.sh [PROMPT [STYLE [SEED]]]
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/programs/common.bash"

launch 'ditsrc name=paint num-buffers=16 ! ditsheet columns=8 spacing=4 ! pngenc ! filesink location=contact-sheet.png' \
  paint.prompt="${1-rocket}" paint.style="${2-fluent-emoji}" paint.seed="${3-1}"
