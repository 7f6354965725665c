#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# All that a web project needs for its icon, from its name: favicon.ico, PNG files, a manifest and the lines for <head>.
#   pipelines/favicon.sh [NAME [PROMPT [STYLE [FOLDER]]]]
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/programs/common.bash"

name=${1-my project} folder=${4-favicon}
# A folder's name may begin like an option.
[[ $folder == /* ]] || folder=./$folder
mkdir -p "$folder"

# One painting, several files. Whole multiples of 64 stay crisp; Apple shows no transparency, hence a white tile of 180.
crisp='videoscale method=nearest-neighbour ! video/x-raw'
launch "ditsrc name=paint num-buffers=1
  ! video/x-raw,format=RGBA,width=64,height=64 ! tee name=icon
  icon. ! queue ! diticomux sizes=16,32,48 ! filesink name=ico
  icon. ! queue ! pngenc ! filesink name=icon64
  icon. ! queue ! $crisp,width=192,height=192 ! pngenc ! filesink name=icon192
  icon. ! queue ! $crisp,width=512,height=512 ! pngenc ! filesink name=icon512
  icon. ! queue ! $crisp,width=128,height=128 ! compositor background=white sink_0::xpos=26 sink_0::ypos=26
  ! video/x-raw,format=RGBA,width=180,height=180 ! pngenc snapshot=true ! filesink name=apple" \
  paint.seed-name="$name" paint.prompt="${2-rocket}" paint.style="${3-fluent-emoji}" \
  ico.location="$folder/favicon.ico" icon64.location="$folder/icon-64.png" icon192.location="$folder/icon-192.png" \
  icon512.location="$folder/icon-512.png" apple.location="$folder/apple-touch-icon.png"

# JSON is UTF-8 without control characters; bytes that are neither are left out.
text=$(printf '%s' "$name" | { utf8 -c || true; } | LC_ALL=C tr '\001-\037\177' '[ *]')
text=${text//\\/\\\\} text=${text//\"/\\\"}
cat >"$folder/site.webmanifest" <<END
{
  "name": "$text",
  "icons": [
    {"src": "icon-64.png", "sizes": "64x64", "type": "image/png"},
    {"src": "icon-192.png", "sizes": "192x192", "type": "image/png"},
    {"src": "icon-512.png", "sizes": "512x512", "type": "image/png"}
  ]
}
END
tee "$folder/head.html" <<END
<link rel="icon" href="favicon.ico" sizes="16x16 32x32 48x48">
<link rel="icon" href="icon-192.png" type="image/png" sizes="192x192">
<link rel="apple-touch-icon" href="apple-touch-icon.png">
<link rel="manifest" href="site.webmanifest">
END
