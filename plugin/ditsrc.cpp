// SPDX-License-Identifier: MIT
#include "plugin/ditsrc.h"

#include <gst/video/video.h>

#include <atomic>
#include <memory>
#include <string>

#include "engine/session.h"
#include "plugin/allocation.h"
#include "plugin/errors.h"
#include "plugin/frame.h"
#include "plugin/messages.h"
#include "plugin/settings.h"
#include "plugin/stream.h"
#include "plugin/timeline.h"

GST_DEBUG_CATEGORY_STATIC(gst_dit_src_debug);
#define GST_CAT_DEFAULT gst_dit_src_debug

using dit::plugin::FrameClock;
using dit::plugin::guarded;
using dit::plugin::Phase;
using dit::plugin::Settings;
using dit::plugin::Stream;

namespace {

// Luma has no RGB matrix, so GRAY8 says full range, BT.709 matrix, sRGB transfer, BT.709 primaries.
#define GRAY_COLORIMETRY "1:3:7:1"
#define SIZE_AND_RATE                                                                          \
  "width = (int) [ 1, max ], height = (int) [ 1, max ], framerate = (fraction) [ 0/1, max ], " \
  "pixel-aspect-ratio = (fraction) 1/1, interlace-mode = (string) progressive, colorimetry = (string) "

GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS,
                            GST_STATIC_CAPS("video/x-raw, format = (string) { RGBA, RGBx, BGRA, BGRx, ARGB, ABGR, RGB, "
                                            "BGR }, " SIZE_AND_RATE "sRGB; "
                                            "video/x-raw, format = (string) GRAY8, " SIZE_AND_RATE GRAY_COLORIMETRY));

/// Touched by the streaming thread alone while it runs, by start() and stop() otherwise.
struct State {
  GstVideoInfo info{};
  FrameClock clock;
  std::uint64_t next_frame = 0;
};

}  // namespace

struct _GstDitSrc {
  GstPushSrc parent;

  Settings settings;               // object lock
  std::shared_ptr<Stream> stream;  // object lock to read or replace; null unless started
  int width, height;               // object lock; 0 unless started
  State state;
  std::atomic<bool> failed;  // an error is on the bus already
};

G_DEFINE_TYPE_WITH_CODE(GstDitSrc, gst_dit_src, GST_TYPE_PUSH_SRC,
                        GST_DEBUG_CATEGORY_INIT(gst_dit_src_debug, "ditsrc", 0, "icon source"))

namespace {

#define PARENT_CLASS(type) type(gst_dit_src_parent_class)

/// Holds a GObject's lock for a scope.
class ObjectLock {
 public:
  explicit ObjectLock(void* object) : object_(object) { GST_OBJECT_LOCK(object_); }
  ~ObjectLock() { GST_OBJECT_UNLOCK(object_); }
  ObjectLock(const ObjectLock&) = delete;
  ObjectLock& operator=(const ObjectLock&) = delete;

 private:
  void* object_;
};

Settings settings_of(GstDitSrc* self) {
  const ObjectLock lock(self);
  return self->settings;
}

std::shared_ptr<Stream> stream_of(GstDitSrc* self) {
  const ObjectLock lock(self);
  return self->stream;
}

// Properties

void gst_dit_src_set_property(GObject* object, guint id, const GValue* value, GParamSpec* pspec) {
  auto* self = GST_DIT_SRC(object);
  const bool known = guarded(self, Phase::running, true, [&] {
    const ObjectLock lock(self);
    return dit::plugin::set_property(self->settings, id, value);
  });
  if (!known) G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
}

void gst_dit_src_get_property(GObject* object, guint id, GValue* value, GParamSpec* pspec) {
  auto* self = GST_DIT_SRC(object);
  const bool known = guarded(self, Phase::running, true, [&] {
    const ObjectLock lock(self);
    return dit::plugin::get_property(self->settings, id, value);
  });
  if (!known) G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
}

// Messages

/// Warns of words that the model does not know, once per prompt. Throws if it knows none of them.
void check_prompt(GstDitSrc* self, Stream& stream, const Settings& settings) {
  const std::string unknown = stream.unknown_words(settings);
  if (unknown.empty()) return;
  GST_ELEMENT_WARNING(self, RESOURCE, SETTINGS, ("%s", unknown.c_str()), ("prompt '%s'", settings.prompt.c_str()));
}

/// The base class adds an error of its own to each of ours ("Failed to start", "Internal data stream error"), which
/// tells nobody anything. The first error of a run is the one that says what happened; the rest stay here.
gboolean gst_dit_src_post_message(GstElement* element, GstMessage* message) {
  auto* self = GST_DIT_SRC(element);
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR && self->failed.exchange(true)) {
    GST_DEBUG_OBJECT(self, "not posting a further error: %" GST_PTR_FORMAT, static_cast<void*>(message));
    gst_message_unref(message);
    return TRUE;
  }
  return PARENT_CLASS(GST_ELEMENT_CLASS)->post_message(element, message);
}

// Opening and closing

gboolean gst_dit_src_start(GstBaseSrc* base) {
  auto* self = GST_DIT_SRC(base);
  self->failed = false;
  return guarded(self, Phase::opening, gboolean{FALSE}, [&] {
    const Settings settings = settings_of(self);
    const auto stream = std::make_shared<Stream>(settings);
    check_prompt(self, *stream, settings);
    self->state = State();
    {
      const dit::ModelConfig& config = stream->session().model().config();
      const ObjectLock lock(self);
      self->stream = stream;
      self->width = static_cast<int>(config.width);
      self->height = static_cast<int>(config.height);
    }
    GST_INFO_OBJECT(self, "%s", stream->session().device_note().c_str());
    dit::plugin::post_device(GST_ELEMENT(self), stream->session());
    return gboolean{TRUE};
  });
}

gboolean gst_dit_src_stop(GstBaseSrc* base) {
  auto* self = GST_DIT_SRC(base);
  std::shared_ptr<Stream> stream;
  {
    const ObjectLock lock(self);
    stream.swap(self->stream);
    self->width = self->height = 0;
  }
  return TRUE;
}

gboolean gst_dit_src_unlock(GstBaseSrc* base) {
  if (const auto stream = stream_of(GST_DIT_SRC(base))) stream->cancel();
  return TRUE;
}

gboolean gst_dit_src_unlock_stop(GstBaseSrc* base) {
  auto* self = GST_DIT_SRC(base);
  self->failed = false;
  if (const auto stream = stream_of(self)) stream->resume();
  return TRUE;
}

// Caps

GstCaps* gst_dit_src_get_caps(GstBaseSrc* base, GstCaps* filter) {
  auto* self = GST_DIT_SRC(base);
  GstCaps* caps = gst_pad_get_pad_template_caps(GST_BASE_SRC_PAD(base));
  int width = 0;
  int height = 0;
  {
    const ObjectLock lock(self);
    width = self->width;
    height = self->height;
  }
  if (width > 0) {
    caps = gst_caps_make_writable(caps);
    gst_caps_set_simple(caps, "width", G_TYPE_INT, width, "height", G_TYPE_INT, height, nullptr);
  }
  if (filter != nullptr) {
    GstCaps* both = gst_caps_intersect_full(filter, caps, GST_CAPS_INTERSECT_FIRST);
    gst_caps_unref(caps);
    caps = both;
  }
  return caps;
}

GstCaps* gst_dit_src_fixate(GstBaseSrc* base, GstCaps* caps) {
  caps = gst_caps_make_writable(gst_caps_truncate(caps));
  GstStructure* structure = gst_caps_get_structure(caps, 0);
  // Slow enough to look at, fast enough for emit=steps to move.
  gst_structure_fixate_field_nearest_fraction(structure, "framerate", 10, 1);
  return PARENT_CLASS(GST_BASE_SRC_CLASS)->fixate(base, caps);
}

gboolean gst_dit_src_set_caps(GstBaseSrc* base, GstCaps* caps) {
  auto* self = GST_DIT_SRC(base);
  GstVideoInfo info;
  if (!gst_video_info_from_caps(&info, caps)) {
    GST_ERROR_OBJECT(self, "cannot use caps %" GST_PTR_FORMAT, static_cast<void*>(caps));
    return FALSE;
  }
  self->state.info = info;
  self->state.clock.set_rate(self->state.next_frame, info.fps_n, info.fps_d);
  gst_base_src_set_blocksize(base, static_cast<guint>(GST_VIDEO_INFO_SIZE(&info)));
  GST_DEBUG_OBJECT(self, "caps %" GST_PTR_FORMAT, static_cast<void*>(caps));
  return TRUE;
}

gboolean gst_dit_src_decide_allocation(GstBaseSrc* base, GstQuery* query) {
  return dit::plugin::choose_pool(query) && PARENT_CLASS(GST_BASE_SRC_CLASS)->decide_allocation(base, query);
}

/// The base class would only say "Internal data stream error".
gboolean gst_dit_src_negotiate(GstBaseSrc* base) {
  if (PARENT_CLASS(GST_BASE_SRC_CLASS)->negotiate(base)) return TRUE;
  GstPad* pad = GST_BASE_SRC_PAD(base);
  if (GST_PAD_IS_FLUSHING(pad)) return FALSE;
  GstCaps* ours = gst_pad_query_caps(pad, nullptr);
  GstCaps* theirs = gst_pad_peer_query_caps(pad, nullptr);
  gchar* offered = gst_caps_to_string(ours);
  gchar* wanted = gst_caps_to_string(theirs);
  GST_ELEMENT_ERROR(base, CORE, NEGOTIATION,
                    ("no common format: expected one of %s; downstream takes %s", offered, wanted), (nullptr));
  g_free(wanted);
  g_free(offered);
  gst_caps_unref(theirs);
  gst_caps_unref(ours);
  return FALSE;
}

// Queries

/// The stream's length in frames, or -1 if it has none: num-buffers, and one for a still.
gint64 frames_to_come(GstDitSrc* self, bool still) {
  gint buffers = -1;
  g_object_get(self, "num-buffers", &buffers, nullptr);
  if (still && buffers != 0) return 1;
  return buffers;
}

bool answer_duration(GstDitSrc* self, GstQuery* query) {
  GstFormat format = GST_FORMAT_UNDEFINED;
  gst_query_parse_duration(query, &format, nullptr);
  GstCaps* caps = gst_pad_get_current_caps(GST_BASE_SRC_PAD(self));
  if (caps == nullptr) return false;
  GstVideoInfo info;
  const bool known = gst_video_info_from_caps(&info, caps);
  gst_caps_unref(caps);
  if (!known) return false;
  const bool still = info.fps_n == 0;
  const gint64 frames = frames_to_come(self, still);
  if (frames < 0) return false;
  if (format == GST_FORMAT_DEFAULT) {
    gst_query_set_duration(query, format, frames);
    return true;
  }
  if (format != GST_FORMAT_TIME || still) return false;
  const guint64 time = gst_util_uint64_scale(
      static_cast<guint64>(frames), static_cast<guint64>(info.fps_d) * GST_SECOND, static_cast<guint64>(info.fps_n));
  gst_query_set_duration(query, format, static_cast<gint64>(time));
  return true;
}

gboolean gst_dit_src_query(GstBaseSrc* base, GstQuery* query) {
  if (GST_QUERY_TYPE(query) == GST_QUERY_DURATION && answer_duration(GST_DIT_SRC(base), query)) return TRUE;
  return PARENT_CLASS(GST_BASE_SRC_CLASS)->query(base, query);
}

// Streaming

/// Paints frame n into the buffer. Throws what the engine throws.
GstFlowReturn paint_frame(GstDitSrc* self, Stream& stream, std::uint64_t n, GstBuffer* buffer) {
  State& state = self->state;
  const GstClockTime pts = state.clock.pts(n);
  if (stream.wants_settings(n)) {
    gst_object_sync_values(GST_OBJECT(self), pts);
    const Settings settings = settings_of(self);
    check_prompt(self, stream, settings);
    stream.take_settings(n, settings, state.clock.still());
  }
  const auto picture = stream.paint(n);

  GstVideoFrame frame;
  if (!gst_video_frame_map(&frame, &state.info, buffer, GST_MAP_WRITE)) {
    GST_ELEMENT_ERROR(self, RESOURCE, WRITE,
                      ("cannot map a %u-byte buffer for writing", static_cast<unsigned>(gst_buffer_get_size(buffer))),
                      ("frame %" G_GUINT64_FORMAT, n));
    return GST_FLOW_ERROR;
  }
  dit::plugin::write_picture(picture.rgba, stream.settings().background, frame);
  gst_video_frame_unmap(&frame);

  GST_BUFFER_PTS(buffer) = pts;
  GST_BUFFER_DTS(buffer) = GST_CLOCK_TIME_NONE;
  GST_BUFFER_DURATION(buffer) = state.clock.duration(n);
  GST_BUFFER_OFFSET(buffer) = n;
  GST_BUFFER_OFFSET_END(buffer) = n + 1;
  GST_LOG_OBJECT(self, "frame %" G_GUINT64_FORMAT ": icon %" G_GUINT64_FORMAT ", step %u of %u",
                 static_cast<guint64>(n), static_cast<guint64>(picture.icon), picture.step, picture.steps);
  if (picture.finished) dit::plugin::post_icon(GST_ELEMENT(self), stream.settings(), picture);
  return GST_FLOW_OK;
}

GstFlowReturn gst_dit_src_fill(GstPushSrc* source, GstBuffer* buffer) {
  auto* self = GST_DIT_SRC(source);
  State& state = self->state;
  if (state.clock.ended(state.next_frame)) return GST_FLOW_EOS;
  return guarded(self, Phase::running, GST_FLOW_ERROR, [&] {
    try {
      const auto stream = stream_of(self);
      if (!stream) return GST_FLOW_FLUSHING;
      const GstFlowReturn flow = paint_frame(self, *stream, state.next_frame, buffer);
      if (flow == GST_FLOW_OK) ++state.next_frame;
      return flow;
    } catch (const dit::Cancelled&) {
      GST_DEBUG_OBJECT(self, "interrupted at frame %" G_GUINT64_FORMAT, static_cast<guint64>(state.next_frame));
      return GST_FLOW_FLUSHING;
    }
  });
}

void gst_dit_src_finalize(GObject* object) {
  auto* self = GST_DIT_SRC(object);
  std::destroy_at(&self->failed);
  std::destroy_at(&self->state);
  std::destroy_at(&self->stream);
  std::destroy_at(&self->settings);
  PARENT_CLASS(G_OBJECT_CLASS)->finalize(object);
}

}  // namespace

static void gst_dit_src_init(GstDitSrc* self) {
  // GObject hands out zeroed memory, not objects.
  std::construct_at(&self->settings);
  std::construct_at(&self->stream);
  std::construct_at(&self->state);
  std::construct_at(&self->failed, false);
  gst_base_src_set_format(GST_BASE_SRC(self), GST_FORMAT_TIME);
}

static void gst_dit_src_class_init(GstDitSrcClass* klass) {
  auto* object_class = G_OBJECT_CLASS(klass);
  object_class->set_property = gst_dit_src_set_property;
  object_class->get_property = gst_dit_src_get_property;
  object_class->finalize = gst_dit_src_finalize;
  dit::plugin::install_properties(object_class);

  auto* element_class = GST_ELEMENT_CLASS(klass);
  element_class->post_message = gst_dit_src_post_message;
  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_set_static_metadata(element_class, "Diffusion icon source", "Source/Video",
                                        "Paints icons from a prompt, a style and a seed with a diffusion transformer",
                                        "ditsrc, https://github.com/ditsrc/ditsrc");

  auto* base_class = GST_BASE_SRC_CLASS(klass);
  base_class->start = gst_dit_src_start;
  base_class->stop = gst_dit_src_stop;
  base_class->unlock = gst_dit_src_unlock;
  base_class->unlock_stop = gst_dit_src_unlock_stop;
  base_class->get_caps = gst_dit_src_get_caps;
  base_class->fixate = gst_dit_src_fixate;
  base_class->set_caps = gst_dit_src_set_caps;
  base_class->decide_allocation = gst_dit_src_decide_allocation;
  base_class->negotiate = gst_dit_src_negotiate;
  base_class->query = gst_dit_src_query;
  GST_PUSH_SRC_CLASS(klass)->fill = gst_dit_src_fill;
}
