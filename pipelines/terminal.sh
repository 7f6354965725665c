#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# An icon emerges in the terminal, drawn in characters.
#   pipelines/terminal.sh [PROMPT [STEPS]]
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/programs/common.bash"

steps=${2-16}
number STEPS "$steps" 1 1000
# In a pipe or a log, or on a terminal that cannot be cleared, there is no screen to draw on, so every frame is printed.
# AA-lib asks for a kind of terminal even so, and where there is none (cron) TERM names none that it can use.
driver=curses
if [ ! -t 1 ] || ! tput clear >/dev/null 2>&1; then
  driver=stdout
  export TERM=vt100
fi
launch "ditsrc name=paint style=noto seed=1 steps=$steps emit=steps hold=10 background=0 num-buffers=$((steps + 9))
  ! video/x-raw,format=GRAY8,framerate=10/1 ! videoconvert ! aasink driver=$driver" paint.prompt="${1-cat face}"
