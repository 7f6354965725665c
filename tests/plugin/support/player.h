// SPDX-License-Identifier: MIT
// A whole pipeline, ditsrc ! capsfilter ! fakesink, driven as players do it.
#pragma once

#include <mutex>

#include "tests/plugin/support/source.h"

namespace dit::plugin_test {

class Player {
 public:
  /// sync  the sink waits for the clock
  explicit Player(const Properties& properties, const std::string& caps = "video/x-raw,format=RGBA,framerate=10/1",
                  bool sync = false);
  ~Player();
  Player(const Player&) = delete;
  Player& operator=(const Player&) = delete;

  GstElement* pipeline() const { return pipeline_; }
  GstElement* source() const { return source_; }
  GstElement* sink() const { return sink_; }
  GstElement* filter() const { return filter_; }

  /// Both wait until the state is reached, at most 20 s.
  void pause();
  void play();
  /// Forgets the frames so far. stop = -1: none; backwards, the end.
  bool seek(double rate, GstFormat format, GstSeekFlags flags, gint64 start, gint64 stop = -1);

  /// Frames up to the end of the stream.
  std::vector<Frame> until_end();
  /// Frames up to the SEGMENT_DONE message, which has to name `position`.
  std::vector<Frame> until_segment_done(gint64 position);
  /// The frame that the sink holds in PAUSED.
  Frame prerolled();
  /// Errors and warnings so far. Element messages go to `structures`, others are dropped.
  std::vector<Report> errors(std::vector<std::string>* structures = nullptr);
  /// Waits for a message of this type; the caller unrefs it. Null after 20 s.
  GstMessage* await(GstMessageType type);

 private:
  std::vector<Frame> take();
  void arrived(GstBuffer* buffer);

  GstElement* pipeline_;
  GstElement* source_;
  GstElement* filter_;
  GstElement* sink_;
  std::mutex mutex_;
  std::vector<Frame> frames_;
};

}  // namespace dit::plugin_test
