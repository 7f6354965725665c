// SPDX-License-Identifier: MIT
// One pipeline at work for one visitor: ditsrc, or ditfilter for a sketch. Its frames are taken when the visitor is
// ready for one: there is room for a few frames, of which the next replaces the oldest, so whoever is slow skips steps
// and holds up nobody.
#pragma once

#include <gst/app/gstappsink.h>
#include <gst/gst.h>

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "pipelines/live-favicon/wish.h"

namespace favicon {

/// What paints; the same for every visitor, so that all share one engine.
struct Painter {
  std::string device = "auto";
  std::string model;               ///< empty = ditsrc's default
  unsigned width = 0, height = 0;  ///< of the model
};

enum class Kind {
  steps,  ///< a PNG file a step
  png,    ///< the finished icon as a file
  ico,
  webp,  ///< all steps as an animation
};

struct Picture {
  unsigned number;  ///< of the frame, from 1
  std::string bytes;
};

/// How a pipeline ended.
struct Failure {
  bool visitors_fault;  ///< words or a style that the model does not know
  std::string text;
};

/// Everything but the constructor's pipeline threads runs on the main loop's thread.
class Painting : public std::enable_shared_from_this<Painting> {
 public:
  /// `changed` is called after anything below has changed. No call comes after stop(). `share` is held until the
  /// pipeline has ended, which is later than stop().
  static std::shared_ptr<Painting> start(const Painter& painter, const Wish& wish, Kind kind,
                                         std::function<void()> changed, std::shared_ptr<const void> share = nullptr);
  ~Painting() { stop(); }
  Painting(const Painting&) = delete;
  Painting& operator=(const Painting&) = delete;

  /// The oldest frame that waits.
  std::optional<Picture> take();
  /// After the last frame: a frame may still wait to be taken.
  bool ended() const { return ended_; }
  const std::optional<Failure>& failure() const { return failure_; }
  /// Time spent in the engine, known when it has ended; ms.
  double render_ms() const { return render_ms_; }
  /// Returns at once; the pipeline ends within a denoising step.
  void stop();
  /// Before the process ends: until the last of those that were stopped has ended, which is a step away.
  static void wait_for_stopped();
  /// Those that were stopped and have not ended yet.
  static unsigned stopping();

 private:
  struct Switch;
  Painting(std::function<void()> changed, std::shared_ptr<const void> share)
      : changed_(std::move(changed)), share_(std::move(share)) {}
  void build(const Painter& painter, const Wish& wish, Kind kind);
  GstFlowReturn keep(GstSample* sample);
  void handle(GstMessage* message);
  void notify();

  std::function<void()> changed_;
  std::shared_ptr<const void> share_;
  GstElement* pipeline_ = nullptr;
  std::shared_ptr<Switch> switch_;
  guint watch_ = 0;
  bool ended_ = false;
  std::optional<Failure> failure_;
  double render_ms_ = 0;

  std::mutex mutex_;  ///< of all below, which the streaming thread fills
  std::deque<Picture> waiting_;
  unsigned frames_ = 0;
  bool notified_ = false;
};

}  // namespace favicon
