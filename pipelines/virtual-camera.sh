#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Icons as a camera, which a browser or a video call can choose. Needs the kernel module v4l2loopback:
#   apt install v4l2loopback-dkms && modprobe v4l2loopback exclusive_caps=1 card_label=icons
#   pipelines/virtual-camera.sh [PROMPT [SECONDS]]
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/programs/common.bash"

seconds=${2-3600}
number SECONDS "$seconds" 1 1000000

for camera in /sys/class/video4linux/*; do
  # A loopback device is the one that no driver of real hardware has made.
  if [ -e "$camera" ] && [[ $(readlink -f "$camera") == */virtual/* ]]; then device=/dev/$(basename "$camera"); fi
done
if [ -z "${device-}" ]; then
  echo "skipped: no v4l2loopback device; load the module as this script's first lines say" >&2
  exit 77
fi
launch "ditsrc name=paint style=fluent-emoji emit=steps hold=15 is-live=true num-buffers=$((seconds * 15))
  ! video/x-raw,format=RGBx,framerate=15/1
  ! videoscale method=nearest-neighbour ! video/x-raw,width=640,height=480,pixel-aspect-ratio=1/1
  ! videoconvert ! video/x-raw,format=YUY2 ! v4l2sink name=camera" paint.prompt="${1-rocket}" camera.device="$device"
