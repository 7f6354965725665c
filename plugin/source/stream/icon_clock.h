// SPDX-License-Identifier: MIT
// Frame number -> icon. Everything is computed from the number, nothing is accumulated.
#pragma once

#include <cstdint>

namespace dit::plugin {

/// An icon's place in the stream: frames first … first + steps + hold − 2 show steps 1 … steps, the last one hold
/// times. With one shown step (emit=final, and stills) an icon is one frame.
struct IconSpan {
  std::uint64_t index = 0;
  std::uint64_t first = 0;   ///< frame
  std::uint64_t frames = 0;  ///< 0 = no icon yet

  bool contains(std::uint64_t frame) const noexcept { return frame - first < frames && frame >= first; }
};

/// Which icon a frame belongs to: index = frame / frames an icon takes. If that number changes while playing forward,
/// counting goes on with the next index from the frame of the change; a seek (reset) returns to the plain division.
class IconClock {
 public:
  IconSpan at(std::uint64_t frame, std::uint64_t frames_per_icon);
  void reset() { *this = IconClock(); }

 private:
  std::uint64_t frames_per_icon_ = 0;
  std::uint64_t base_frame_ = 0;
  std::uint64_t base_index_ = 0;
};

}  // namespace dit::plugin
