// SPDX-License-Identifier: MIT
#include "plugin/source/frames/paint.h"

#include "plugin/source/messages.h"

namespace dit::plugin {

Picture paint(Element& e, Stream& stream, std::uint64_t n, GstClockTime time, bool live) {
  if (stream.wants_settings(n)) {
    if (GST_CLOCK_TIME_IS_VALID(time)) gst_object_sync_values(GST_OBJECT(e.base), time);
    const Snapshot settings = e.snapshot();
    const FrameClock clock = e.frame_clock();
    const bool still = clock.still();
    const std::uint32_t wanted =
        settings->steps > 0 ? settings->steps : stream.session().model().config().default_steps;
    const std::uint32_t steps = e.governor.steps(*settings, wanted, clock.frame_time(), live);
    const bool was_less = stream.steps() < stream.wanted_steps();
    const bool is_less = steps < wanted;
    const bool news = is_less != was_less || (is_less && steps != stream.steps());
    const Manner manner = {.still = still, .reverse = !live && e.seek.reverse, .steps_limit = steps};
    post_words(e.element(), stream.take_settings(n, settings, manner));
    if (news) post_quality(e, time, live, steps, wanted);
  }
  Picture picture = stream.paint(n);
  if (const std::string mistakes = stream.take_warning(); !mistakes.empty()) warn_of_kernels(e.element(), mistakes);
  e.governor.painted(picture.caption);
  return picture;
}

}  // namespace dit::plugin
