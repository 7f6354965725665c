// SPDX-License-Identifier: MIT
#include "plugin/source/frames/paint.h"

#include <memory>
#include <utility>

#include "plugin/source/messages.h"

namespace dit::plugin {

namespace {

/// What somebody types letter by letter ends no live stream: what was last understood stays, and whoever types is told,
/// once.
void refuse(Element& e, const Snapshot& settings, Snapshot instead, const Error& error) {
  Tried& tried = e.tried;
  if (tried.why != error.what()) post_words(e.element(), {.unknown = error.what(), .readings = {}});
  tried.why = error.what();
  tried.refused = settings;
  tried.instead = std::move(instead);
}

/// The settings with the words that were last understood.
Snapshot with_good_words(const Element& e, const Settings& settings) {
  auto kept = std::make_shared<Settings>(settings);
  kept->prompt = e.tried.good->prompt;
  kept->style = e.tried.good->style;
  kept->strict_words = e.tried.good->strict_words;
  kept->walk_prompts = e.tried.good->walk_prompts;
  return kept;
}

Snapshot settings_to_try(const Element& e) {
  const Snapshot settings = e.snapshot();
  return settings == e.tried.refused ? e.tried.instead : settings;
}

void take(Element& e, Stream& stream, std::uint64_t n, const Snapshot& settings, GstClockTime time, bool live) {
  const FrameClock clock = e.frame_clock();
  const std::uint32_t wanted = settings->steps > 0 ? settings->steps : stream.session().model().config().default_steps;
  const std::uint32_t steps = e.governor.steps(*settings, wanted, clock.frame_time(), live);
  const bool was_less = stream.steps() < stream.wanted_steps();
  const bool is_less = steps < wanted;
  const bool news = is_less != was_less || (is_less && steps != stream.steps());
  const Manner manner = {.still = clock.still(), .reverse = !live && e.seek.reverse, .steps_limit = steps};
  post_words(e.element(), stream.take_settings(n, settings, manner));
  if (news) post_quality(e, time, live, steps, wanted);
}

/// The picture of frame n, in the settings of that moment if it starts an icon.
Picture paint_once(Element& e, Stream& stream, std::uint64_t n, GstClockTime time, bool live) {
  if (!stream.wants_settings(n)) return stream.paint(n);
  if (GST_CLOCK_TIME_IS_VALID(time)) gst_object_sync_values(GST_OBJECT(e.base), time);
  const Snapshot settings = settings_to_try(e);
  const bool may_refuse = live && settings != e.tried.good && settings != e.tried.instead;
  try {
    take(e, stream, n, settings, time, live);
  } catch (const Error& error) {
    if (!may_refuse || error.kind() != ErrorKind::settings) throw;
    refuse(e, settings, with_good_words(e, *settings), error);
    take(e, stream, n, e.tried.instead, time, live);
  }
  Picture picture;
  try {
    picture = stream.paint(n);
  } catch (const Error& error) {
    // Known words, but a sampler or steps that the model cannot do.
    if (!may_refuse || error.kind() != ErrorKind::settings) throw;
    refuse(e, settings, e.tried.good, error);
    take(e, stream, n, e.tried.instead, time, live);
    picture = stream.paint(n);
  }
  e.tried.good = settings == e.tried.refused ? e.tried.instead : settings;
  if (e.tried.good != e.tried.instead) e.tried.why.clear();
  return picture;
}

}  // namespace

Picture paint(Element& e, Stream& stream, std::uint64_t n, GstClockTime time, bool live) {
  Picture picture = paint_once(e, stream, n, time, live);
  if (const std::string mistakes = stream.take_warning(); !mistakes.empty()) warn_of_kernels(e.element(), mistakes);
  e.governor.painted(picture.caption);
  return picture;
}

}  // namespace dit::plugin
