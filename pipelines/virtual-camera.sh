#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Icons as a camera, which a browser or a video call can choose. Needs the kernel module v4l2loopback:
#   apt install v4l2loopback-dkms && modprobe v4l2loopback exclusive_caps=1 card_label=icons
#   pipelines/virtual-camera.sh [PROMPT [SECONDS]]
set -euo pipefail
root=$(dirname "$(dirname "$(readlink -f "$0")")")
export GST_PLUGIN_PATH="${DIT_BUILD:-$root/build}/plugin${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"

for camera in /sys/class/video4linux/*; do
  # A loopback device is the one that no driver of real hardware has made.
  if [ -e "$camera" ] && [[ $(readlink -f "$camera") == */virtual/* ]]; then device=/dev/$(basename "$camera"); fi
done
if [ -z "${device-}" ]; then
  echo "skipped: no v4l2loopback device; load the module as this script's first lines say" >&2
  exit 77
fi
gst-launch-1.0 -q ditsrc prompt="${1-rocket}" style=fluent-emoji emit=steps hold=15 is-live=true \
  num-buffers=$((${2-3600} * 15)) ! video/x-raw,format=RGBx,framerate=15/1 \
  ! videoscale method=nearest-neighbour ! video/x-raw,width=640,height=480,pixel-aspect-ratio=1/1 \
  ! videoconvert ! video/x-raw,format=YUY2 ! v4l2sink device="$device"
