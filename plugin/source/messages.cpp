// SPDX-License-Identifier: MIT
#include "plugin/source/messages.h"

#include <memory>

#include "plugin/translate.h"

namespace dit::plugin {
namespace {

void post(GstElement* element, GstStructure* structure) {
  gst_element_post_message(element, gst_message_new_element(GST_OBJECT(element), structure));
}

/// What both messages of a picture say.
GstStructure* of_icon(const char* name, const Caption& caption, GstClockTime pts) {
  const IconKey& from = caption.station.point.from;
  GstStructure* structure =
      gst_structure_new(name, "index", G_TYPE_UINT64, static_cast<guint64>(from.index), "seed", G_TYPE_UINT64,
                        static_cast<guint64>(from.seed), "pts", G_TYPE_UINT64, pts, "steps", G_TYPE_UINT,
                        static_cast<guint>(caption.steps), "render-time", G_TYPE_UINT64,
                        static_cast<guint64>(caption.render_time.count()), nullptr);
  if (caption.gpu_time) {
    gst_structure_set(structure, "gpu-time", G_TYPE_UINT64, static_cast<guint64>(caption.gpu_time->count()), nullptr);
  }
  return structure;
}

/// Millionths, as QoS messages count quality.
constexpr double full_quality = 1e6;

void post_qos(Element& e, bool live, GstClockTime running, GstClockTime timestamp, GstClockTimeDiff jitter,
              double part) {
  Stats stats;
  {
    const ObjectLock lock(e.base);
    stats = e.stats;
  }
  GstMessage* message = gst_message_new_qos(GST_OBJECT(e.base), live, running, running, timestamp, GST_CLOCK_TIME_NONE);
  gst_message_set_qos_values(message, jitter, 1.0, static_cast<gint>(part * full_quality));
  gst_message_set_qos_stats(message, GST_FORMAT_BUFFERS, stats.frames, stats.skipped);
  gst_element_post_message(e.element(), message);
}

}  // namespace

void post_device(GstElement* element, const Session& session) {
  const DeviceInfo& device = session.device();
  // A path may hold any bytes, a message's string only UTF-8.
  const std::unique_ptr<gchar, decltype(&g_free)> model(g_utf8_make_valid(session.model().path().c_str(), -1), g_free);
  post(element, gst_structure_new("ditsrc-device", "device", G_TYPE_STRING, device.spec.c_str(), "name", G_TYPE_STRING,
                                  device.name.c_str(), "note", G_TYPE_STRING, session.device_note().c_str(), "model",
                                  G_TYPE_STRING, model.get(), nullptr));
  if (!device.warning.empty()) {
    GST_ELEMENT_WARNING(element, RESOURCE, SETTINGS, ("%s", device.warning.c_str()), (nullptr));
  }
}

void post_icon(GstElement* element, const Caption& caption, GstClockTime pts) {
  GstStructure* structure = of_icon("ditsrc-icon", caption, pts);
  gst_structure_set(structure, "prompt", G_TYPE_STRING, caption.prompt().c_str(), "style", G_TYPE_STRING,
                    caption.settings->style.c_str(), nullptr);
  post(element, structure);
}

void post_step(GstElement* element, const Caption& caption, GstClockTime pts) {
  GstStructure* structure = of_icon("ditsrc-step", caption, pts);
  gst_structure_set(structure, "step", G_TYPE_UINT, static_cast<guint>(caption.step), "t", G_TYPE_DOUBLE, caption.t,
                    "sigma", G_TYPE_DOUBLE, caption.sigma, nullptr);
  post(element, structure);
}

void post_progress(GstElement* element, GstProgressType type) {
  const char* text = tr("Opening model and device");
  if (type == GST_PROGRESS_TYPE_COMPLETE) text = tr("Model and device are open");
  if (type == GST_PROGRESS_TYPE_ERROR) text = tr("Model or device could not be opened");
  gst_element_post_message(element, gst_message_new_progress(GST_OBJECT(element), type, "open", text));
}

void post_words(GstElement* element, const WordNotes& notes) {
  for (const Reading& reading : notes.readings) {
    GST_INFO_OBJECT(element, "%s is painted as %s: %s", reading.typed.c_str(), reading.painted.c_str(),
                    reading.how.c_str());
    post(element, gst_structure_new("ditsrc-word", "typed", G_TYPE_STRING, reading.typed.c_str(), "painted",
                                    G_TYPE_STRING, reading.painted.c_str(), "how", G_TYPE_STRING, reading.how.c_str(),
                                    "sure", G_TYPE_DOUBLE, static_cast<double>(reading.sure), nullptr));
  }
  if (!notes.unknown.empty()) {
    GST_ELEMENT_WARNING(element, RESOURCE, SETTINGS, ("%s", notes.unknown.c_str()), (nullptr));
  }
}

void warn_of_kernels(GstElement* element, const std::string& mistakes) {
  GST_ELEMENT_WARNING(element, RESOURCE, READ, ("%s", mistakes.c_str()), (nullptr));
}

void error_no_map(GstElement* element, gsize bytes, std::uint64_t frame) {
  GST_ELEMENT_ERROR(element, RESOURCE, WRITE,
                    (tr("cannot map a buffer of %u bytes for writing"), static_cast<unsigned>(bytes)),
                    ("frame %" G_GUINT64_FORMAT, static_cast<guint64>(frame)));
}

void error_no_caps(GstElement* element, GstCaps* ours, GstCaps* theirs) {
  gchar* offered = gst_caps_to_string(ours);
  gchar* wanted = gst_caps_to_string(theirs);
  GST_ELEMENT_ERROR(element, CORE, NEGOTIATION,
                    (tr("no common format: expected one of %s; downstream takes %s"), offered, wanted), (nullptr));
  g_free(wanted);
  g_free(offered);
}

void error_no_size(GstElement* element, int width, int height, GstCaps* ours, GstCaps* theirs) {
  gchar* offered = gst_caps_to_string(ours);
  gchar* wanted = gst_caps_to_string(theirs);
  GST_ELEMENT_ERROR(
      element, CORE, NEGOTIATION,
      (tr("no common size: expected %dx%d, or both sides the same number of times that, in %s; downstream takes %s"),
       width, height, offered, wanted),
      (nullptr));
  g_free(wanted);
  g_free(offered);
}

void post_quality(Element& e, GstClockTime time, bool live, std::uint32_t steps, std::uint32_t wanted) {
  GST_INFO_OBJECT(e.base, "icons take %u of %u steps from now on", steps, wanted);
  post_qos(e, live, time, time, 0, static_cast<double>(steps) / wanted);
}

void post_skipped(Element& e, GstClockTime now, GstClockTime missed) {
  post_qos(e, true, now, missed, GST_CLOCK_DIFF(missed, now), 1);
}

void post_latency(GstElement* element) {
  gst_element_post_message(element, gst_message_new_latency(GST_OBJECT(element)));
}

void send_tags(Element& e) {
  e.tags_sent = true;
  const Snapshot settings = e.snapshot();
  const std::string seed = "seed=" + std::to_string(settings->effective_seed());
  GstTagList* tags =
      gst_tag_list_new(GST_TAG_APPLICATION_NAME, "ditsrc", GST_TAG_EXTENDED_COMMENT, seed.c_str(), nullptr);
  const auto add = [&](const char* tag, const std::string& text) {
    if (!text.empty()) gst_tag_list_add(tags, GST_TAG_MERGE_APPEND, tag, text.c_str(), nullptr);
  };
  add(GST_TAG_TITLE, settings->prompt);
  add(GST_TAG_COMMENT, settings->style.empty() ? "" : "style: " + settings->style);
  if (!e.origin.model_name.empty()) add(GST_TAG_EXTENDED_COMMENT, "model=" + e.origin.model_name);
  gst_pad_push_event(GST_BASE_SRC_PAD(e.base), gst_event_new_tag(tags));
}

GstStructure* stats_of(const Element& e) {
  const Stats& s = e.stats;
  return gst_structure_new("ditsrc-stats", "frames", G_TYPE_UINT64, s.frames, "icons", G_TYPE_UINT64, s.icons,
                           "repeated", G_TYPE_UINT64, s.repeated, "skipped", G_TYPE_UINT64, s.skipped, "render-time",
                           G_TYPE_UINT64, s.icons > 0 ? s.render_ns / s.icons : 0, "last-render-time", G_TYPE_UINT64,
                           s.last_render_ns, "steps", G_TYPE_UINT, s.steps, "latency", G_TYPE_UINT64,
                           e.base->is_live ? e.latency : 0, nullptr);
}

}  // namespace dit::plugin
