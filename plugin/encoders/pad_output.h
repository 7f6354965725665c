// SPDX-License-Identifier: MIT
// Output on a source pad: caps, segment and waiting events go first, then buffers with their offsets in the file.
#pragma once

#include <vector>

#include "plugin/encoders/encoder.h"

namespace dit::plugin {

/// Downstream takes no more. Not an error of ours: the flow goes back to whoever pushed.
struct StreamStopped {
  GstFlowReturn flow;
};

class PadOutput final : public Output {
 public:
  explicit PadOutput(GstPad* pad) : pad_(pad) {}
  ~PadOutput() override;
  PadOutput(const PadOutput&) = delete;
  PadOutput& operator=(const PadOutput&) = delete;

  void set_caps(GstCaps* caps) override;
  void push(std::vector<std::uint8_t> bytes, GstClockTime pts, GstClockTime duration) override;
  bool can_rewrite() override;
  void rewrite(std::uint64_t offset, std::vector<std::uint8_t> bytes) override;
  void end() override { ended_ = true; }
  void warn(const char* text) override;

  bool ended() const { return ended_; }
  /// Takes upstream's segment event; sent on if the output has times, else replaced by one of bytes.
  void set_segment(GstEvent* event, bool timed);
  /// Takes a serialized event that has to wait for the segment.
  void hold(GstEvent* event);
  void reset();

 private:
  void begin();
  void push_segment(std::uint64_t offset);
  void push_buffer(std::vector<std::uint8_t> bytes, std::uint64_t offset, GstClockTime pts, GstClockTime duration);

  GstPad* pad_;
  GstCaps* caps_ = nullptr;
  GstEvent* segment_ = nullptr;  ///< upstream's
  std::vector<GstEvent*> waiting_;
  std::uint64_t offset_ = 0;  ///< bytes pushed
  bool timed_ = false;
  bool begun_ = false;
  bool ended_ = false;
};

}  // namespace dit::plugin
