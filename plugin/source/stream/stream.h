// SPDX-License-Identifier: MIT
// Frame number -> picture, on one engine session. Paints batches ahead and remembers what it has painted, so that
// neither the batch size, nor the mode, nor the order of asking changes a picture.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/session/session.h"
#include "plugin/source/stream/icon_clock.h"
#include "plugin/source/stream/itinerary.h"
#include "plugin/source/stream/prompts.h"
#include "plugin/source/stream/settings.h"

namespace dit::plugin {

/// What a picture shows, without its pixels.
struct Caption {
  Snapshot settings;
  std::shared_ptr<const Itinerary> itinerary;
  std::shared_ptr<const Label> label;  ///< what the prompt was read as
  Station station;
  std::uint64_t icon = 0;   ///< place in the stream; without a walk the index too
  std::uint32_t step = 0;   ///< 1 … steps
  std::uint32_t steps = 0;  ///< of this icon; fewer than `wanted_steps` under pressure
  std::uint32_t wanted_steps = 0;
  double t = 0;  ///< time and noise level of the sample that entered the step
  double sigma = 0;
  double guidance = 1;
  double strength = 1;  ///< see Sketch::effective_strength
  Sampler sampler = Sampler::euler;
  bool finished = false;                             ///< the first frame that shows the finished icon
  bool once_more = false;                            ///< shows the finished icon again
  std::chrono::nanoseconds render_time{};            ///< this icon's share of its batch, up to this step
  std::optional<std::chrono::nanoseconds> gpu_time;  ///< the same on the device, if it can tell

  const std::string& prompt() const { return itinerary->prompts()[station.prompt]; }
  const std::string& toward_prompt() const { return itinerary->prompts()[station.toward]; }
};

/// One frame's content. Pixels are valid until the next call of Stream::paint.
struct Picture {
  std::span<const std::uint8_t> rgba;  ///< height · width · 4, straight alpha
  Caption caption;
};

/// How the next icons are to be painted.
struct Manner {
  bool still = false;             ///< one frame is all there will be: the finished icon, and no batch
  bool reverse = false;           ///< frames are asked for from last to first
  std::uint32_t steps_limit = 0;  ///< spend no more steps on an icon; 0 = no limit
};

/// An engine and what is painted on it.
/// thread  paint and the like from one thread at a time; cancel and resume from any
class Stream {
 public:
  Stream(std::shared_ptr<Engine> engine, const Settings& settings);

  const Session& session() const noexcept { return *session_; }
  /// See Session.
  std::string take_warning() { return session_->take_warning(); }
  void cancel() noexcept { session_->cancel(); }
  void resume() noexcept { session_->resume(); }

  /// See Prompts::read.
  WordNotes read_prompts(const Itinerary& itinerary);

  /// True if frame n starts an icon, or lies in another one than the last: time to take new settings.
  bool wants_settings(std::uint64_t frame) const noexcept { return !span_.contains(frame); }
  /// The settings of the icon that frame n belongs to. Returns what read_prompts
  /// does, and has its errors.
  WordNotes take_settings(std::uint64_t frame, const Snapshot& settings, const Manner& manner);
  /// Steps of the icons at present, and how many were asked for.
  std::uint32_t steps() const noexcept { return steps_; }
  std::uint32_t wanted_steps() const noexcept { return wanted_steps_; }
  /// After a seek: icons are counted from frame 0 again.
  void forget_position() noexcept;

  /// The picture of frame n. After Cancelled or an Error the icon's next call starts it afresh.
  /// errors  Cancelled, settings, device, out_of_memory
  Picture paint(std::uint64_t frame);

 private:
  using Time = std::chrono::nanoseconds;
  /// What the session has painted or is painting.
  struct Batch {
    std::shared_ptr<const Itinerary> itinerary;
    std::uint32_t steps = 0;
    std::uint64_t first = 0;  ///< icon
    std::uint32_t count = 0;
    bool every_step = false;
    std::uint32_t done = 0;  ///< steps
    bool pipelined = false;  ///< one icon at a time comes out, and `next` is the next
    bool reverse = false;    ///< of a pipeline
    std::uint64_t next = 0;  ///< icon
    Time time{};
    std::optional<Time> gpu_time;
  };

  struct IconRange {
    std::uint64_t first = 0;
    std::uint32_t count = 0;
    bool operator==(const IconRange&) const = default;
  };
  /// What the session has been told to be asked for next: in batches like that of the time.
  struct Announced {
    std::shared_ptr<const Itinerary> itinerary;
    std::uint32_t steps = 0;
    std::uint32_t size = 0;  ///< of the batch, filled up
    IconRange icons;
    bool operator==(const Announced&) const = default;
  };

  bool fits(bool pipelined) const noexcept;
  bool covers(std::uint64_t icon) const noexcept;
  void begin(std::uint64_t icon);
  IconRange choose_points(std::uint64_t icon);
  void advance(std::uint32_t step);
  void announce(const Batch& batch);
  void begin_pipeline(std::uint64_t icon);
  void next_of_pipeline(std::uint64_t icon);
  Caption caption(std::uint64_t position, std::uint32_t step) const;
  std::span<std::uint8_t> kept_picture(std::uint32_t icon, std::uint32_t step);

  std::unique_ptr<Session> session_;
  std::size_t picture_bytes_ = 0;
  std::uint32_t batch_size_ = 1;
  bool pipelined_ = false;
  Prompts prompts_;

  Snapshot settings_;  ///< of the icon in span_
  std::shared_ptr<const Itinerary> itinerary_;
  IconSettings icon_;  ///< as the engine wants them; prompts are set by Prompts::aim
  Manner manner_;
  std::uint32_t wanted_steps_ = 0;
  std::uint32_t steps_ = 0;       ///< of the icon in span_
  bool every_step_ = false;       ///< emit=steps, and not a still
  std::uint32_t kept_steps_ = 1;  ///< steps of an icon that pictures_ has room for: all or the latest
  std::uint32_t new_batch_ = 1;   ///< icons in a batch begun now
  IconClock icons_;
  IconSpan span_;

  std::optional<std::uint64_t> asked_;  ///< the icon of the last paint()
  bool in_order_ = true;                ///< it came after the one before, so that the next is known

  std::optional<Batch> batch_;
  std::optional<Announced> announced_;
  std::vector<IconPoint> points_;       ///< of batch_, or of the one announced
  std::vector<SolverStep> schedule_;    ///< of batch_
  std::vector<std::uint8_t> pictures_;  ///< [icon of the batch][kept_steps_]
};

}  // namespace dit::plugin
