#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The icon that a name owns, NAME.png: the same name gives the same icon everywhere, another name another icon.
#   pipelines/named-icon.sh [NAME [PROMPT]]
set -euo pipefail
root=$(dirname "$(dirname "$(readlink -f "$0")")")
export GST_PLUGIN_PATH="${DIT_BUILD:-$root/build}/plugin${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"

name=${1-ada}
gst-launch-1.0 -q ditsrc seed-name="$name" prompt="${2-robot}" style=fluent-emoji num-buffers=1 \
  ! pngenc ! filesink location="${name//\//_}.png"
