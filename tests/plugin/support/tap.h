// SPDX-License-Identifier: MIT
// A source and a pad that takes its frames one by one, so that where a seek finds the stream is known exactly. For two
// sources side by side: what a seek does to ditsrc is held against what it does to videotestsrc.
#pragma once

#include <gst/gst.h>

#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

namespace dit::plugin_test {

struct SeekCall {
  double rate = 1;
  GstFormat format = GST_FORMAT_TIME;
  GstSeekFlags flags = GST_SEEK_FLAG_FLUSH;
  GstSeekType start_type = GST_SEEK_TYPE_SET;
  gint64 start = 0;
  GstSeekType stop_type = GST_SEEK_TYPE_NONE;
  gint64 stop = -1;
};

std::string to_text(const SeekCall& call);
/// All fields of a segment that tell when and how fast its frames are shown.
std::string to_text(const GstSegment& segment);

/// thread  one at a time
class Tap {
 public:
  /// Takes the element, starts it and holds its first frame back. One frame is always held back, or the stream is at
  /// its end.
  Tap(GstElement* source, const std::string& caps);
  ~Tap();
  Tap(const Tap&) = delete;
  Tap& operator=(const Tap&) = delete;

  /// Sends the seek to the element and waits for what comes of it: a frame or the end. If nothing of the kind comes
  /// within 2 s, `stuck` is true from then on.
  bool seek(const SeekCall& call);
  /// A flush that an application sends. The stream goes on with the frame after the one that was held back.
  bool flush();
  /// Lets `count` frames through. Backwards, a frame that begins at the segment's position or after it does not count:
  /// videotestsrc sends one, which no sink shows.
  void pass(int count);
  bool stuck() const { return stuck_; }

  /// What came since the last call, a line each: segments, frames, the end.
  std::vector<std::string> take();
  bool at_end();
  /// Frames or ends that came while no segment was in force.
  int lost() const { return lost_; }

 private:
  static GstFlowReturn chain(GstPad* pad, GstObject* parent, GstBuffer* buffer);
  static gboolean event(GstPad* pad, GstObject* parent, GstEvent* event);
  GstFlowReturn take_frame(GstBuffer* buffer);
  void take_event(GstEvent* event);
  bool counts(GstClockTime pts) const;
  /// Waits until a frame is held back or the stream is at its end, in the segment after so many.
  void settle(int segments = 0);

  GstElement* source_;
  GstPad* pad_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> seen_;
  GstSegment segment_;
  int segments_ = 0;       ///< so far
  int allowed_ = 0;        ///< frames that may pass
  bool holding_ = false;   ///< a frame waits
  bool ended_ = false;     ///< end of stream or of segment
  bool closed_ = false;    ///< after an end of stream, a pad takes nothing before a flush
  bool flushing_ = false;  ///< or shutting down
  bool stuck_ = false;
  int lost_ = 0;
};

}  // namespace dit::plugin_test
