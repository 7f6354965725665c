#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The icon that a name owns, NAME.png: the same name gives the same icon everywhere, another name another icon.
#   pipelines/named-icon.sh [NAME [PROMPT]]
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/programs/common.bash"

name=${1-ada}
file_name "$name" .png
launch 'ditsrc name=paint style=fluent-emoji num-buffers=1 ! pngenc ! filesink name=file' \
  paint.seed-name="$name" paint.prompt="${2-robot}" file.location="./$REPLY"
