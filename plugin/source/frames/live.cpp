// SPDX-License-Identifier: MIT
#include "plugin/source/frames/live.h"

#include <algorithm>

#include "plugin/source/frames/buffer.h"
#include "plugin/source/frames/latency.h"
#include "plugin/source/frames/paint.h"
#include "plugin/source/messages.h"

namespace dit::plugin {
namespace {

/// A repeating stream that has been held up makes up for so much with frames in a row; beyond it leaves frames out.
constexpr GstClockTime patience = 250 * GST_MSECOND;
/// A clock that is so far behind the grid has been set back, by a flush or by another clock.
constexpr GstClockTime set_back = 2 * GST_SECOND;

void shift_grid(Element& e, std::uint64_t frame, GstClockTime time) {
  const ObjectLock lock(e.base);
  e.clock.shift(frame, time);
}

/// Moves on to frame n and remembers what was left out.
void skip_to(Element& e, std::uint64_t n, GstClockTime now) {
  const std::uint64_t skipped = n - e.position.next;
  if (skipped == 0) return;
  {
    const ObjectLock lock(e.base);
    e.stats.skipped += skipped;
  }
  post_skipped(e, now, e.clock.pts(e.position.next));
  e.position.next = n;
  e.discont = true;
}

/// Waits for the time of the next frame. Without a clock there is nothing to wait for. Throws Cancelled.
void await_frame(Element& e) {
  GstClock* clock = nullptr;
  const GstClockTime now = running_time(e.element(), &clock);
  if (clock == nullptr) return;
  const std::uint64_t n = e.position.next;
  if (e.clock.pts(n) > now + set_back + 2 * e.clock.duration(n)) shift_grid(e, n, now);
  const bool arrived = e.wait.until(clock, gst_element_get_base_time(e.element()) + e.clock.pts(n));
  gst_object_unref(clock);
  if (!arrived) throw Cancelled();
}

/// The first frame's time is the moment at which it is there: nothing blank precedes it.
void start_grid(Element& e, GstClockTime now) {
  if (e.grid_started) return;
  shift_grid(e, e.position.next, GST_CLOCK_TIME_IS_VALID(now) ? now : 0);
  e.grid_started = true;
}

/// late-policy skip and late: painted when its turn comes, in the streaming thread.
GstFlowReturn fill_in_turn(Element& e, Stream& stream, bool skip, GstBuffer* buffer) {
  const GstClockTime start = running_time(e.element());
  if (skip && GST_CLOCK_TIME_IS_VALID(start)) {
    start_grid(e, start);
    // The first frame that is not over yet, so that it is late by no more than its own making takes.
    std::uint64_t n = e.clock.frame_at(start);
    if (e.clock.pts(n) < start) ++n;
    if (n > e.position.next) skip_to(e, n, start);
  }
  const std::uint64_t n = e.position.next;
  const Picture picture = paint(e, stream, n, e.clock.pts(n), true);
  const GstClockTime end = running_time(e.element());
  start_grid(e, end);
  if (GST_CLOCK_TIME_IS_VALID(end) && end > start) update_latency(e, end - start);
  await_frame(e);
  return write(e, n, picture.rgba, picture.caption, false, buffer);
}

/// late-policy repeat: frames leave on time with the newest picture there is.
GstFlowReturn fill_on_time(Element& e, Painter& painter, GstBuffer* buffer) {
  bool fresh = true;
  if (!e.grid_started) {
    if (!painter.await(e.shown)) throw Cancelled();
    start_grid(e, running_time(e.element()));
  } else {
    const GstClockTime now = running_time(e.element());
    if (!GST_CLOCK_TIME_IS_VALID(now)) {
      if (!painter.await(e.shown)) throw Cancelled();
    } else {
      if (now > e.clock.pts(e.position.next) + std::max(patience, e.clock.duration(e.position.next))) {
        skip_to(e, e.clock.frame_at(now), now);
      }
      await_frame(e);
      fresh = painter.take(e.shown);
    }
  }
  return write(e, e.position.next, e.shown.rgba, e.shown.caption, !fresh, buffer);
}

}  // namespace

std::shared_ptr<Painter> make_painter(Element& e, const std::shared_ptr<Stream>& stream) {
  return std::make_shared<Painter>([&e, stream](std::uint64_t n, Shot& shot) {
    const std::lock_guard lock(e.painting);
    const Picture picture = paint(e, *stream, n, running_time(e.element()), true);
    shot.rgba.assign(picture.rgba.begin(), picture.rgba.end());
    shot.caption = picture.caption;
  });
}

GstFlowReturn fill_live(Element& e, Stream& stream, GstBuffer* buffer) {
  if (const auto painter = e.painter_at_work()) return fill_on_time(e, *painter, buffer);
  return fill_in_turn(e, stream, e.policy == LatePolicy::skip, buffer);
}

}  // namespace dit::plugin
