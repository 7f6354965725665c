// SPDX-License-Identifier: MIT
// The state of one ditfilter, which the rooms of this folder share.
#pragma once

#include <gst/video/gstvideofilter.h>

#include <atomic>
#include <deque>
#include <future>
#include <memory>
#include <optional>

#include "plugin/filter/sketch_painter.h"
#include "plugin/shared/latency.h"
#include "plugin/shared/object_lock.h"
#include "plugin/shared/sizes.h"
#include "plugin/shared/stats.h"
#include "plugin/source/frames/meta.h"

GST_DEBUG_CATEGORY_EXTERN(gst_dit_filter_debug);

namespace dit::plugin {

struct UnrefBuffer {
  void operator()(GstBuffer* buffer) const { gst_buffer_unref(buffer); }
};
using OwnedBuffer = std::unique_ptr<GstBuffer, UnrefBuffer>;

struct UnrefCaps {
  void operator()(GstCaps* caps) const { gst_caps_unref(caps); }
};
using OwnedCaps = std::unique_ptr<GstCaps, UnrefCaps>;

/// A frame that waits for its icon.
struct WaitingFrame {
  OwnedBuffer buffer;
  Drawing drawing;
  bool gap = false;  ///< says that it shows nothing new
};

/// A frame whose icon is there.
struct PaintedFrame {
  OwnedBuffer buffer;
  std::shared_ptr<const Icon> icon;
  bool repeated = false;  ///< that of the frame before
};

struct Filter {
  explicit Filter(GstBaseTransform* transform) : base(transform) {}

  GstBaseTransform* const base;
  std::atomic<bool> failed{false};  ///< an error is on the bus already

  // Object lock
  Snapshot settings = std::make_shared<const Settings>();
  std::shared_ptr<Engine> engine;          ///< kept until another is needed, so that a new start loads nothing
  std::shared_ptr<SketchPainter> painter;  ///< null unless started
  OwnedCaps sink_caps, source_caps;        ///< of that size; null unless started
  Stats stats;
  Latency latency;
  bool live = false;  ///< upstream, when last asked

  // Streaming thread
  GstVideoInfo in{}, out{};
  std::deque<WaitingFrame> waiting;
  std::deque<PaintedFrame> painted;
  std::optional<Drawing> last;            ///< the frame taken last that was painted from
  std::shared_ptr<const Icon> last_icon;  ///< that of the frame painted last
  std::uint64_t frames_taken = 0;
  bool warned_of_mask = false;
  std::shared_future<std::string> model_hash;
  Origin origin;

  GstElement* element() const noexcept { return GST_ELEMENT(base); }
  Snapshot snapshot() const {
    const ObjectLock lock(base);
    return settings;
  }
  /// The model's; 0×0 unless started.
  Size size() const {
    const ObjectLock lock(base);
    return painter ? painter->size() : Size{};
  }
  std::shared_ptr<SketchPainter> opened() const {
    const ObjectLock lock(base);
    return painter;
  }
};

}  // namespace dit::plugin
