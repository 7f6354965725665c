// SPDX-License-Identifier: MIT
// The state of one ditsrc, which the rooms of this folder share: caps, seeking, live streams, messages.
#pragma once

#include <gst/base/gstpushsrc.h>
#include <gst/video/video.h>

#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <optional>

#include "plugin/source/frames/clock_wait.h"
#include "plugin/source/frames/meta.h"
#include "plugin/source/frames/timestamps.h"
#include "plugin/source/stream/governor.h"
#include "plugin/source/stream/painter.h"
#include "plugin/source/stream/settings.h"
#include "plugin/source/stream/stream.h"

GST_DEBUG_CATEGORY_EXTERN(gst_dit_src_debug);
#define GST_CAT_DEFAULT gst_dit_src_debug

namespace dit::plugin {

/// Holds a GObject's lock for a scope.
class ObjectLock {
 public:
  explicit ObjectLock(void* object) : object_(object) { GST_OBJECT_LOCK(object_); }
  ~ObjectLock() { GST_OBJECT_UNLOCK(object_); }
  ObjectLock(const ObjectLock&) = delete;
  ObjectLock& operator=(const ObjectLock&) = delete;

 private:
  void* object_;
};

/// What the `stats` property tells.
struct Stats {
  guint64 frames = 0;          ///< handed out
  guint64 icons = 0;           ///< finished ones among them
  guint64 repeated = 0;        ///< frames that showed the picture before them again
  guint64 skipped = 0;         ///< frames left out
  guint64 render_ns = 0;       ///< sum over icons
  guint64 last_render_ns = 0;  ///< the last icon's
  guint steps = 0;             ///< the last icon's
};

/// Where the next frame comes from.
struct Position {
  std::uint64_t next = 0;    ///< frame
  std::uint64_t stride = 1;  ///< frames from one to the next; more than 1 in skipping trick modes
  bool reverse = false;
  bool ended = false;  ///< backwards past frame 0
};

/// A seek that waits for the streaming thread, which knows the rate.
struct Seek {
  GstClockTime time = 0;  ///< where playing starts: the segment's position
  bool nothing = false;   ///< backwards from the segment's start or from before it: only what is on show there
  bool reverse = false;
  std::uint64_t stride = 1;
};

/// Settings of a live stream that somebody is still typing.
struct Tried {
  Snapshot good;     ///< the last that a picture was painted with
  Snapshot refused;  ///< the last that could not be
  Snapshot instead;  ///< what is painted in its place
  std::string why;   ///< as it was said
};

struct Element {
  explicit Element(GstBaseSrc* source) : base(source) {}

  GstBaseSrc* const base;
  std::atomic<bool> failed{false};         ///< an error is on the bus already
  std::atomic<bool> seek_from_end{false};  ///< what the last seek says in words that the base class does not pass on
  ClockWait wait;
  Governor governor;

  // Object lock
  Snapshot settings = std::make_shared<const Settings>();
  std::shared_ptr<Engine> engine;    ///< kept until another is needed, so that a new start loads nothing
  std::shared_ptr<Stream> stream;    ///< null unless started
  std::shared_ptr<Painter> painter;  ///< null unless started, live, and late-policy is repeat; the same until the stop
  int width = 0;                     ///< the model's; 0 unless started
  int height = 0;
  FrameClock clock;          ///< written by the streaming thread only
  Stats stats;               ///< written by the streaming thread only
  GstClockTime latency = 0;  ///< as told to the pipeline
  GstClockTime slowest = 0;  ///< making of a picture, of late

  /// Held by whoever paints. Needed at a live still only: the streaming thread paints it, and the painter may still be
  /// at the frame before the change of rate.
  std::mutex painting;
  Tried tried;  ///< under painting

  // Streaming thread
  LatePolicy policy = LatePolicy::repeat;  ///< of this run
  GstVideoInfo info{};
  Seek seek;
  bool seek_pending = true;
  Position position;
  bool grid_started = false;  ///< a live stream has its first frame's time
  bool discont = false;       ///< the next frame follows skipped ones
  bool tags_sent = false;
  bool filled = false;  ///< the frame that is under way is painted
  Shot shown;           ///< what a live stream shows at present
  std::shared_future<std::string> model_hash;
  Origin origin;

  GstElement* element() const noexcept { return GST_ELEMENT(base); }
  Snapshot snapshot() const {
    const ObjectLock lock(base);
    return settings;
  }
  FrameClock frame_clock() const {
    const ObjectLock lock(base);
    return clock;
  }
  std::shared_ptr<Stream> opened() const {
    const ObjectLock lock(base);
    return stream;
  }
  std::shared_ptr<Painter> painter_at_work() const {
    const ObjectLock lock(base);
    return painter;
  }
};

}  // namespace dit::plugin
