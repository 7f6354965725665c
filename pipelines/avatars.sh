#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# An avatar for each line of a text file, such as a list of users: NAME.png. A name owns its icon for ever.
# Without PROMPT the name also chooses among a few faces.
#   pipelines/avatars.sh [FILE [PROMPT [STYLE]]]
set -euo pipefail
root=$(dirname "$(dirname "$(readlink -f "$0")")")
export GST_PLUGIN_PATH="${DIT_BUILD:-$root/build}/plugin${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"

faces=("cat face" "dog face" robot fox panda koala lion "tiger face" frog "monkey face" bear owl)
while IFS= read -r name || [ -n "$name" ]; do
  [ -n "$name" ] || continue
  file=${name//\//_}.png
  hash=$(printf '%s' "$name" | cksum)
  face=${faces[${hash%% *} % ${#faces[@]}]}
  gst-launch-1.0 -q ditsrc seed-name="$name" prompt="${2-$face}" style="${3-fluent-emoji}" num-buffers=1 \
    ! pngenc ! filesink location="./$file" </dev/null
  echo "$file"
done < <(if [ $# -gt 0 ]; then cat -- "$1"; else printf '%s\n' ada grace linus; fi)
