#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# An avatar for each line of a text file, such as a list of users: NAME.png, with %XX for what file names cannot hold. A name owns its icon for ever.
# Without PROMPT the name also chooses among a few faces.
#   pipelines/avatars.sh [FILE [PROMPT [STYLE]]]
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/programs/common.bash"

faces=("cat face" "dog face" robot fox panda koala lion "tiger face" frog "monkey face" bear owl)
# A name is a line, or what ends with a zero byte; a file from Windows begins with a mark and has CR before its LF.
names() { LC_ALL=C tr '\0' '\n' | LC_ALL=C sed -e $'1s/^\xef\xbb\xbf//' -e $'s/\r$//'; }
if [ $# -gt 0 ]; then
  if [ "$1" != - ] && { [ ! -r "$1" ] || [ -d "$1" ]; }; then
    say "cannot read $(shown "$1")"
    exit 1
  fi
  exec 3< <(cat -- "$1" | names)
  reader=$!
else
  exec 3< <(printf '%s\n' ada grace linus)
fi
while IFS= read -r name <&3 || [ -n "$name" ]; do
  if [ -z "$name" ] || ! file_name "$name" .png; then continue; fi
  file=$REPLY hash=$(printf '%s' "$name" | cksum)
  face=${faces[${hash%% *} % ${#faces[@]}]}
  launch 'ditsrc name=paint num-buffers=1 ! pngenc ! filesink name=file' \
    paint.seed-name="$name" paint.prompt="${2-$face}" paint.style="${3-fluent-emoji}" file.location="./$file" </dev/null
  printf '%s\n' "$file"
done
# What could not be read to its end was not all of it.
[ -z "${reader-}" ] || wait "$reader"
