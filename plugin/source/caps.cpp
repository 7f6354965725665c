// SPDX-License-Identifier: MIT
#include "plugin/source/caps.h"

#include <gst/video/video.h>

#include <algorithm>

#include "plugin/source/frames/latency.h"
#include "plugin/source/messages.h"

namespace dit::plugin {
namespace {

/// The largest side; beyond it nobody wants nearest neighbour, and sizes in bytes come near the limits of int.
constexpr int max_side = 16384;

// Luma has no RGB matrix, so GRAY8 says full range, BT.709 matrix, sRGB transfer, BT.709 primaries.
#define GRAY_COLORIMETRY "1:3:7:1"
#define SIZE_AND_RATE                                                                              \
  "width = (int) [ 1, 16384 ], height = (int) [ 1, 16384 ], framerate = (fraction) [ 0/1, max ], " \
  "pixel-aspect-ratio = (fraction) 1/1, interlace-mode = (string) progressive, "                   \
  "multiview-mode = (string) { mono, left, right }, colorimetry = (string) "

struct Size {
  int width = 0;
  int height = 0;
};

Size model_size(Element& e) {
  const ObjectLock lock(e.base);
  return {e.width, e.height};
}

int largest_factor(Size size) { return std::max(1, max_side / std::max(size.width, size.height)); }

/// `side`, 2 · side, … , factors · side.
void set_multiples(GstCaps* caps, const char* field, int side, int factors) {
  GValue range = G_VALUE_INIT;
  if (factors == 1) {
    gst_caps_set_simple(caps, field, G_TYPE_INT, side, nullptr);
    return;
  }
  g_value_init(&range, GST_TYPE_INT_RANGE);
  gst_value_set_int_range_step(&range, side, side * factors, side);
  gst_caps_set_value(caps, field, &range);
  g_value_unset(&range);
}

bool allows(const GstStructure* structure, const char* field, int value) {
  const GValue* allowed = gst_structure_get_value(structure, field);
  if (allowed == nullptr) return true;
  GValue wanted = G_VALUE_INIT;
  g_value_init(&wanted, G_TYPE_INT);
  g_value_set_int(&wanted, value);
  const bool can = gst_value_intersect(nullptr, allowed, &wanted) != FALSE;
  g_value_unset(&wanted);
  return can;
}

/// The smallest factor at which both sides are allowed; 0 if there is none.
int smallest_factor(const GstStructure* structure, Size size) {
  for (int k = 1; k <= largest_factor(size); ++k) {
    if (allows(structure, "width", k * size.width) && allows(structure, "height", k * size.height)) return k;
  }
  return 0;
}

}  // namespace

GstStaticPadTemplate* source_template() {
  static GstStaticPadTemplate source =
      GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS,
                              GST_STATIC_CAPS("video/x-raw, format = (string) { RGBA, RGBx, BGRA, BGRx, ARGB, ABGR, "
                                              "RGB, BGR }, " SIZE_AND_RATE "sRGB; "
                                              "video/x-raw, format = (string) GRAY8, " SIZE_AND_RATE GRAY_COLORIMETRY));
  return &source;
}

GstCaps* caps_of(Element& e, GstCaps* filter) {
  GstCaps* caps = gst_pad_get_pad_template_caps(GST_BASE_SRC_PAD(e.base));
  const Size size = model_size(e);
  if (size.width > 0) {
    caps = gst_caps_make_writable(caps);
    set_multiples(caps, "width", size.width, largest_factor(size));
    set_multiples(caps, "height", size.height, largest_factor(size));
  }
  if (filter != nullptr) {
    GstCaps* both = gst_caps_intersect_full(filter, caps, GST_CAPS_INTERSECT_FIRST);
    gst_caps_unref(caps);
    caps = both;
  }
  return caps;
}

GstCaps* prefer(Element& e, GstCaps* caps) {
  const Size size = model_size(e);
  caps = gst_caps_make_writable(caps);
  // The first structure whose width and height are the same multiple; caps cannot say that by themselves.
  guint chosen = 0;
  int factor = 0;
  for (guint i = 0; factor == 0 && i < gst_caps_get_size(caps) && size.width > 0; ++i) {
    factor = smallest_factor(gst_caps_get_structure(caps, i), size);
    if (factor > 0) chosen = i;
  }
  for (; chosen > 0; --chosen) gst_caps_remove_structure(caps, 0);
  caps = gst_caps_truncate(caps);
  GstStructure* structure = gst_caps_get_structure(caps, 0);
  if (factor > 0) {
    gst_structure_set(structure, "width", G_TYPE_INT, factor * size.width, "height", G_TYPE_INT, factor * size.height,
                      nullptr);
  }
  // Slow enough to look at, fast enough for emit=steps to move.
  gst_structure_fixate_field_nearest_fraction(structure, "framerate", 10, 1);
  return caps;
}

bool use_caps(Element& e, GstCaps* caps) {
  GstVideoInfo info;
  const Size size = model_size(e);
  const bool usable = gst_video_info_from_caps(&info, caps) && size.width > 0 && info.width % size.width == 0 &&
                      info.height % size.height == 0 && info.width / size.width == info.height / size.height;
  if (!usable) {
    GST_ERROR_OBJECT(e.base, "cannot use caps %" GST_PTR_FORMAT ": expected %dx%d or a multiple of it",
                     static_cast<void*>(caps), size.width, size.height);
    return false;
  }
  e.info = info;
  {
    const ObjectLock lock(e.base);
    e.clock.set_rate(e.position.next, info.fps_n, info.fps_d);
  }
  gst_base_src_set_blocksize(e.base, static_cast<guint>(GST_VIDEO_INFO_SIZE(&info)));
  update_latency(e, 0);
  GST_DEBUG_OBJECT(e.base, "caps %" GST_PTR_FORMAT, static_cast<void*>(caps));
  return true;
}

void explain_no_caps(Element& e) {
  GstPad* pad = GST_BASE_SRC_PAD(e.base);
  if (GST_PAD_IS_FLUSHING(pad)) return;
  GstCaps* ours = gst_pad_query_caps(pad, nullptr);
  GstCaps* theirs = gst_pad_peer_query_caps(pad, nullptr);
  const Size size = model_size(e);
  // Each side may be what it is asked to be, but not both at once; caps cannot say that.
  if (size.width > 0 && gst_caps_can_intersect(ours, theirs)) {
    error_no_size(e.element(), size.width, size.height, ours, theirs);
  } else {
    error_no_caps(e.element(), ours, theirs);
  }
  gst_caps_unref(theirs);
  gst_caps_unref(ours);
}

}  // namespace dit::plugin
