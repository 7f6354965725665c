// SPDX-License-Identifier: MIT
#include "plugin/source/stream/icon_clock.h"

namespace dit::plugin {

IconSpan IconClock::at(std::uint64_t frame, std::uint64_t frames_per_icon) {
  if (frame < base_frame_) reset();  // backwards past a change
  if (frames_per_icon_ != frames_per_icon) {
    if (frames_per_icon_ != 0) {
      // Forwards, the frame of a change is the first of an icon, so the division leaves nothing over.
      base_index_ += (frame - base_frame_) / frames_per_icon_;
      base_frame_ = frame;
    }
    frames_per_icon_ = frames_per_icon;
  }
  const std::uint64_t icons = (frame - base_frame_) / frames_per_icon;
  return {base_index_ + icons, base_frame_ + icons * frames_per_icon, frames_per_icon};
}

}  // namespace dit::plugin
