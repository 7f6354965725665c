// SPDX-License-Identifier: MIT
#include "plugin/filter/caps.h"

#include <gst/video/video.h>

#include <algorithm>
#include <string>
#include <vector>

#include "plugin/source/caps.h"
#include "plugin/translate.h"

namespace dit::plugin {
namespace {

/// Each multiple is a structure of its own, and negotiating costs the square of their number.
constexpr int most_times = 64;

/// The frame's own factor where it is allowed, else the smallest; 0 if there is none.
int best_factor(const GstStructure* structure, Size model, int own) {
  if (own > 0 && allows(structure, "width", own * model.width) && allows(structure, "height", own * model.height)) {
    return own;
  }
  return smallest_factor(structure, model);
}

/// Formats for the icon of a frame, best first.
std::vector<std::string> formats_for(const GstVideoInfo& frame) {
  const std::string own = gst_video_format_to_string(GST_VIDEO_INFO_FORMAT(&frame));
  std::vector<std::string> formats = {"RGBA", "BGRA", "ARGB", "ABGR"};
  formats.insert(GST_VIDEO_INFO_HAS_ALPHA(&frame) ? formats.begin() : formats.end(), own);
  formats.insert(formats.end(), {"RGBx", "BGRx", "RGB", "BGR", "GRAY8"});
  return formats;
}

bool has_rate(const std::vector<const GValue*>& rates, const GValue* rate) {
  return std::any_of(rates.begin(), rates.end(),
                     [&](const GValue* known) { return gst_value_compare(known, rate) == GST_VALUE_EQUAL; });
}

}  // namespace

GstStaticPadTemplate* sink_template() {
  // Neither colorimetry nor interlacing: frames are taken as sRGB line by line whatever they say, which a converter
  // before the element would not do better.
  static GstStaticPadTemplate sink = GST_STATIC_PAD_TEMPLATE(
      "sink", GST_PAD_SINK, GST_PAD_ALWAYS,
      GST_STATIC_CAPS("video/x-raw, format = (string) { RGBA, RGBx, BGRA, BGRx, ARGB, ABGR, RGB, BGR, GRAY8 }, "
                      "width = (int) [ 1, 16384 ], height = (int) [ 1, 16384 ], framerate = (fraction) [ 0/1, max ], "
                      "pixel-aspect-ratio = (fraction) 1/1"));
  return &sink;
}

GstStaticPadTemplate* icon_template() { return source_template(); }

OwnedCaps sink_caps_of(Size model) {
  const OwnedCaps open(gst_static_pad_template_get_caps(sink_template()));
  OwnedCaps caps(gst_caps_new_empty());
  for (int k = 1; k <= std::min(most_times, largest_factor(model)); ++k) {
    GstStructure* structure = gst_structure_copy(gst_caps_get_structure(open.get(), 0));
    gst_structure_set(structure, "width", G_TYPE_INT, k * model.width, "height", G_TYPE_INT, k * model.height, nullptr);
    gst_caps_append_structure(caps.get(), structure);
  }
  return caps;
}

OwnedCaps source_caps_of(Size model) {
  return OwnedCaps(in_multiples(gst_static_pad_template_get_caps(icon_template()), model));
}

GstCaps* other_caps(Filter& f, GstPadDirection direction, GstCaps* caps, GstCaps* limit) {
  OwnedCaps sink;
  OwnedCaps source;
  {
    const ObjectLock lock(f.base);
    if (f.sink_caps) sink.reset(gst_caps_ref(f.sink_caps.get()));
    if (f.source_caps) source.reset(gst_caps_ref(f.source_caps.get()));
  }
  if (!sink) sink.reset(gst_static_pad_template_get_caps(sink_template()));
  if (!source) source.reset(gst_static_pad_template_get_caps(icon_template()));
  const OwnedCaps usable(gst_caps_intersect(caps, (direction == GST_PAD_SINK ? sink : source).get()));
  GstCaps* others = (direction == GST_PAD_SINK ? source : sink).get();

  // Only the rate is the same on both sides.
  OwnedCaps result(gst_caps_new_empty());
  std::vector<const GValue*> rates;
  for (guint i = 0; i < gst_caps_get_size(usable.get()); ++i) {
    const GValue* rate = gst_structure_get_value(gst_caps_get_structure(usable.get(), i), "framerate");
    if (rate == nullptr || has_rate(rates, rate)) continue;
    rates.push_back(rate);
    GstCaps* at_rate = gst_caps_copy(others);
    gst_caps_set_value(at_rate, "framerate", rate);
    gst_caps_append(result.get(), at_rate);
  }
  if (limit == nullptr) return result.release();
  return gst_caps_intersect_full(limit, result.get(), GST_CAPS_INTERSECT_FIRST);
}

GstCaps* prefer_caps(Filter& f, GstCaps* frame, GstCaps* others) {
  GstVideoInfo info;
  if (!gst_video_info_from_caps(&info, frame)) return gst_caps_fixate(others);
  const Size model = f.size();
  const int own = factor_of({info.width, info.height}, model);
  for (const std::string& format : formats_for(info)) {
    for (guint i = 0; model.width > 0 && i < gst_caps_get_size(others); ++i) {
      const GstStructure* structure = gst_caps_get_structure(others, i);
      const int factor = best_factor(structure, model, own);
      if (factor == 0 || !allows(structure, "format", format.c_str())) continue;
      GstCaps* chosen = gst_caps_copy_nth(others, i);
      gst_caps_unref(others);
      gst_caps_set_simple(chosen, "format", G_TYPE_STRING, format.c_str(), "width", G_TYPE_INT, factor * model.width,
                          "height", G_TYPE_INT, factor * model.height, nullptr);
      return gst_caps_fixate(chosen);
    }
  }
  return gst_caps_fixate(others);
}

void explain_refusal(Filter& f, GstCaps* caps) {
  const Size model = f.size();
  gchar* found = gst_caps_to_string(caps);
  GST_ELEMENT_ERROR(f.base, STREAM, FORMAT,
                    (tr("expected frames of %dx%d square pixels, or 2 to %d times that both ways; found %s"),
                     model.width, model.height, std::min(most_times, largest_factor(model)), found),
                    ("videoconvert and videoscale before the element make them so"));
  g_free(found);
}

void explain_no_common_caps(Filter& f, GstPad* pad) {
  const OwnedCaps offered(gst_pad_peer_query_caps(pad, nullptr));
  OwnedCaps taken;
  {
    const ObjectLock lock(f.base);
    if (f.sink_caps) taken.reset(gst_caps_ref(f.sink_caps.get()));
  }
  if (!offered || !taken || gst_caps_is_empty(offered.get())) return;
  if (!gst_caps_can_intersect(offered.get(), taken.get())) explain_refusal(f, offered.get());
}

}  // namespace dit::plugin
