// SPDX-License-Identifier: MIT
#include "plugin/encoders/encoder.h"

#include <cstring>
#include <functional>
#include <optional>

#include "plugin/encoders/pad_output.h"
#include "plugin/errors.h"

GST_DEBUG_CATEGORY_STATIC(gst_dit_encoder_debug);
#define GST_CAT_DEFAULT gst_dit_encoder_debug

namespace dit::plugin {

/// Touched under the sink pad's stream lock, or while no data flows.
class EncoderState {
 public:
  EncoderState(GstDitEncoder* self, GstPad* sink, GstPad* src)
      : self_(self), class_(GST_DIT_ENCODER_GET_CLASS(self)), sink_(sink), output_(src) {}
  ~EncoderState() { reset(); }
  EncoderState(const EncoderState&) = delete;
  EncoderState& operator=(const EncoderState&) = delete;

  void set_caps(GstCaps* caps);
  void set_segment(GstEvent* event) { output_.set_segment(event, class_->timed_output); }
  void hold(GstEvent* event) { output_.hold(event); }
  /// Takes the buffer.
  GstFlowReturn add(GstBuffer* buffer);
  void finish();
  /// Forgets the file that was begun.
  void reset();

 private:
  void encode(GstBuffer* buffer, GstClockTime duration);
  void encode_bytes(std::span<const std::uint8_t> bytes, GstClockTime pts, GstClockTime duration);
  /// What the frame rate says, 0 if it is unknown.
  GstClockTime frame_period() const;
  /// How long the pending frame is shown before `next`.
  GstClockTime until(GstBuffer* next) const;
  void forget_pending() { gst_clear_buffer(&pending_); }

  GstDitEncoder* self_;
  GstDitEncoderClass* class_;
  GstPad* sink_;
  PadOutput output_;
  Input input_;
  std::optional<GstVideoInfo> video_;  ///< of raw video
  std::unique_ptr<Encoder> encoder_;   ///< null before the first frame of a file
  GstBuffer* pending_ = nullptr;       ///< a frame whose duration only the next one tells
  std::uint64_t frames_ = 0;
  GstClockTime elapsed_ = 0, last_duration_ = 0;
  std::vector<std::uint8_t> rows_;  ///< scratch for frames with padded rows
};

void EncoderState::set_caps(GstCaps* caps) {
  const GstStructure* structure = gst_caps_get_structure(caps, 0);
  Input input;
  std::optional<GstVideoInfo> video;
  if (gst_structure_has_name(structure, "video/x-raw")) {
    video.emplace();
    expect_frame(gst_video_info_from_caps(&*video, caps), "expected video, found other caps");
    input = {GST_VIDEO_INFO_WIDTH(&*video), GST_VIDEO_INFO_HEIGHT(&*video), GST_VIDEO_INFO_FPS_N(&*video),
             GST_VIDEO_INFO_FPS_D(&*video)};
  } else {
    gst_structure_get_fraction(structure, "framerate", &input.fps_n, &input.fps_d);
    gst_structure_get_int(structure, "width", &input.width);
    gst_structure_get_int(structure, "height", &input.height);
  }
  if (encoder_ && class_->frame_by_frame) encoder_.reset();
  const bool begun = encoder_ != nullptr || pending_ != nullptr;
  expect_frame(!begun || (input.width == input_.width && input.height == input_.height),
               "frame {}: expected {}x{} like the frames before it, found {}x{}", frames_, input_.width, input_.height,
               input.width, input.height);
  input_ = input;
  video_ = video;
}

void EncoderState::encode(GstBuffer* buffer, GstClockTime duration) {
  const GstClockTime pts = GST_BUFFER_PTS(buffer);
  if (!video_) {
    GstMapInfo map;
    expect_frame(gst_buffer_map(buffer, &map, GST_MAP_READ), "frame {}: cannot be read", frames_);
    const std::unique_ptr<GstBuffer, std::function<void(GstBuffer*)>> unmap(
        buffer, [&map](GstBuffer* b) { gst_buffer_unmap(b, &map); });
    return encode_bytes({map.data, map.size}, pts, duration);
  }
  GstVideoFrame frame;
  expect_frame(gst_video_frame_map(&frame, &*video_, buffer, GST_MAP_READ), "frame {}: expected {} bytes, found {}",
               frames_, GST_VIDEO_INFO_SIZE(&*video_), gst_buffer_get_size(buffer));
  const std::unique_ptr<GstVideoFrame, decltype(&gst_video_frame_unmap)> unmap(&frame, gst_video_frame_unmap);
  const auto* data = static_cast<const std::uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, 0));
  const auto row = static_cast<std::size_t>(input_.width) * 4;
  const auto stride = static_cast<std::size_t>(GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0));
  const auto height = static_cast<std::size_t>(input_.height);
  if (stride == row) return encode_bytes({data, row * height}, pts, duration);
  rows_.resize(row * height);
  for (std::size_t y = 0; y < height; ++y) std::memcpy(&rows_[y * row], data + y * stride, row);
  encode_bytes(rows_, pts, duration);
}

void EncoderState::encode_bytes(std::span<const std::uint8_t> bytes, GstClockTime pts, GstClockTime duration) {
  if (!encoder_) encoder_ = class_->open(self_, input_, output_);
  encoder_->add({bytes, frames_, pts, elapsed_, duration});
  ++frames_;
  elapsed_ += duration;
  last_duration_ = duration;
}

GstClockTime EncoderState::frame_period() const {
  return input_.fps_n > 0 ? gst_util_uint64_scale_int(GST_SECOND, input_.fps_d, input_.fps_n) : 0;
}

GstClockTime EncoderState::until(GstBuffer* next) const {
  const GstClockTime from = GST_BUFFER_PTS(pending_);
  const GstClockTime to = GST_BUFFER_PTS(next);
  if (!GST_CLOCK_TIME_IS_VALID(from) || !GST_CLOCK_TIME_IS_VALID(to)) {
    expect_frame(frame_period() > 0, "frame {}: expected a duration, a time or a frame rate, found none", frames_);
    return frame_period();
  }
  expect_frame(to >= from, "frame {}: expected a time of at least {} ns, found {} ns", frames_ + 1, from, to);
  return to - from;
}

GstFlowReturn EncoderState::add(GstBuffer* buffer) {
  const std::unique_ptr<GstBuffer, decltype(&gst_buffer_unref)> owned(buffer, gst_buffer_unref);
  if (pending_ != nullptr) {
    encode(pending_, until(buffer));
    forget_pending();
  }
  if (class_->frame_by_frame) {
    encode(buffer, GST_BUFFER_DURATION_IS_VALID(buffer) ? GST_BUFFER_DURATION(buffer) : 0);
  } else if (GST_BUFFER_DURATION_IS_VALID(buffer)) {
    encode(buffer, GST_BUFFER_DURATION(buffer));
  } else {
    pending_ = gst_buffer_ref(buffer);
  }
  return output_.ended() ? GST_FLOW_EOS : GST_FLOW_OK;
}

void EncoderState::finish() {
  if (pending_ != nullptr) {
    // Nothing says how long the last frame lasts: as long as the one before it, else as the frame rate says.
    encode(pending_, frames_ > 0 ? last_duration_ : frame_period());
    forget_pending();
  }
  if (output_.ended()) return;
  expect_frame(frames_ > 0, "no frame came before the end of the stream: expected at least one");
  if (encoder_) encoder_->finish();
}

void EncoderState::reset() {
  forget_pending();
  encoder_.reset();
  output_.reset();
  frames_ = 0;
  elapsed_ = last_duration_ = 0;
}

void install_loop_count(GObjectClass* object_class, guint id, guint most) {
  g_object_class_install_property(
      object_class, id,
      g_param_spec_uint("loop-count", "Loop count", "How many times the animation is played; 0 = for ever", 0, most, 0,
                        encoder_property));
}

}  // namespace dit::plugin

using dit::plugin::EncodeError;
using dit::plugin::EncoderState;
using dit::plugin::StreamStopped;

struct GstDitEncoderPrivate {
  EncoderState* state;
};

G_DEFINE_ABSTRACT_TYPE_WITH_CODE(GstDitEncoder, gst_dit_encoder, GST_TYPE_ELEMENT,
                                 G_ADD_PRIVATE(GstDitEncoder)
                                     GST_DEBUG_CATEGORY_INIT(gst_dit_encoder_debug, "ditencoder", 0, "icon encoders"))

namespace {

EncoderState& state_of(GstDitEncoder* self) {
  return *static_cast<GstDitEncoderPrivate*>(gst_dit_encoder_get_instance_private(self))->state;
}

/// Runs `body`; whatever it throws becomes an error message, if one is needed, and the returned flow.
template <typename Body>
GstFlowReturn guarded_flow(GstDitEncoder* self, Body&& body) noexcept {
  return dit::plugin::guarded(self, dit::plugin::Phase::running, GST_FLOW_ERROR, [&] {
    try {
      return body();
    } catch (const StreamStopped& stopped) {
      return stopped.flow;
    } catch (const EncodeError& error) {
      GST_ELEMENT_ERROR(self, STREAM, ENCODE, ("%s", error.what()), (nullptr));
      return GST_FLOW_ERROR;
    }
  });
}

/// Text that is unset is the default, and always UTF-8: it may come back in a message.
void set_text(gchar** place, const GValue* value, GParamSpec* pspec) {
  const gchar* text = g_value_get_string(value);
  g_free(*place);
  *place = g_utf8_make_valid(text != nullptr ? text : G_PARAM_SPEC_STRING(pspec)->default_value, -1);
}

void gst_dit_encoder_set_property(GObject* object, guint id, const GValue* value, GParamSpec* pspec) {
  void* place = GST_DIT_ENCODER_GET_CLASS(object)->setting(GST_DIT_ENCODER(object), id);
  if (place == nullptr) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
    return;
  }
  GST_OBJECT_LOCK(object);
  if (G_IS_PARAM_SPEC_UINT(pspec)) *static_cast<guint*>(place) = g_value_get_uint(value);
  if (G_IS_PARAM_SPEC_INT(pspec)) *static_cast<gint*>(place) = g_value_get_int(value);
  if (G_IS_PARAM_SPEC_DOUBLE(pspec)) *static_cast<gdouble*>(place) = g_value_get_double(value);
  if (G_IS_PARAM_SPEC_BOOLEAN(pspec)) *static_cast<gboolean*>(place) = g_value_get_boolean(value);
  if (G_IS_PARAM_SPEC_STRING(pspec)) set_text(static_cast<gchar**>(place), value, pspec);
  GST_OBJECT_UNLOCK(object);
}

void gst_dit_encoder_get_property(GObject* object, guint id, GValue* value, GParamSpec* pspec) {
  const void* place = GST_DIT_ENCODER_GET_CLASS(object)->setting(GST_DIT_ENCODER(object), id);
  if (place == nullptr) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
    return;
  }
  GST_OBJECT_LOCK(object);
  if (G_IS_PARAM_SPEC_UINT(pspec)) g_value_set_uint(value, *static_cast<const guint*>(place));
  if (G_IS_PARAM_SPEC_INT(pspec)) g_value_set_int(value, *static_cast<const gint*>(place));
  if (G_IS_PARAM_SPEC_DOUBLE(pspec)) g_value_set_double(value, *static_cast<const gdouble*>(place));
  if (G_IS_PARAM_SPEC_BOOLEAN(pspec)) g_value_set_boolean(value, *static_cast<const gboolean*>(place));
  if (G_IS_PARAM_SPEC_STRING(pspec)) g_value_set_string(value, *static_cast<gchar* const*>(place));
  GST_OBJECT_UNLOCK(object);
}

GstFlowReturn gst_dit_encoder_chain(GstPad*, GstObject* parent, GstBuffer* buffer) {
  auto* self = GST_DIT_ENCODER(parent);
  return guarded_flow(self, [&] { return state_of(self).add(buffer); });
}

/// Writes what is left. No end of stream follows an error: the file is not complete.
gboolean end_of_stream(GstDitEncoder* self, GstPad* pad, GstEvent* event) {
  const GstFlowReturn flow = guarded_flow(self, [&] {
    state_of(self).finish();
    return GST_FLOW_OK;
  });
  // An element that fails has said so; nobody has spoken yet if there is none or it takes no such caps.
  if (flow == GST_FLOW_NOT_LINKED || flow == GST_FLOW_NOT_NEGOTIATED) GST_ELEMENT_FLOW_ERROR(self, flow);
  if (flow != GST_FLOW_OK && flow != GST_FLOW_EOS) {
    gst_event_unref(event);
    return FALSE;
  }
  return gst_pad_event_default(pad, GST_OBJECT(self), event);
}

gboolean take_caps(GstDitEncoder* self, GstEvent* event) {
  const GstFlowReturn flow = guarded_flow(self, [&] {
    GstCaps* caps = nullptr;
    gst_event_parse_caps(event, &caps);
    state_of(self).set_caps(caps);
    return GST_FLOW_OK;
  });
  gst_event_unref(event);
  return flow == GST_FLOW_OK;
}

gboolean gst_dit_encoder_sink_event(GstPad* pad, GstObject* parent, GstEvent* event) {
  auto* self = GST_DIT_ENCODER(parent);
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_CAPS:
      return take_caps(self, event);
    case GST_EVENT_SEGMENT:
      state_of(self).set_segment(event);
      return TRUE;
    case GST_EVENT_EOS:
      return end_of_stream(self, pad, event);
    case GST_EVENT_FLUSH_STOP:
      state_of(self).reset();
      return gst_pad_event_default(pad, parent, event);
    case GST_EVENT_GAP:  // of no use in a file
      gst_event_unref(event);
      return TRUE;
    case GST_EVENT_STREAM_START:
    case GST_EVENT_FLUSH_START:
      return gst_pad_event_default(pad, parent, event);
    default:
      if (!GST_EVENT_IS_SERIALIZED(event)) return gst_pad_event_default(pad, parent, event);
      state_of(self).hold(event);
      return TRUE;
  }
}

gboolean gst_dit_encoder_sink_query(GstPad* pad, GstObject* parent, GstQuery* query) {
  if (GST_QUERY_TYPE(query) == GST_QUERY_ALLOCATION) {
    gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr);
    return TRUE;
  }
  return gst_pad_query_default(pad, parent, query);
}

GstStateChangeReturn gst_dit_encoder_change_state(GstElement* element, GstStateChange transition) {
  const auto result = GST_ELEMENT_CLASS(gst_dit_encoder_parent_class)->change_state(element, transition);
  // The pads are down by now, so no thread is in the state.
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) state_of(GST_DIT_ENCODER(element)).reset();
  return result;
}

void gst_dit_encoder_finalize(GObject* object) {
  delete static_cast<GstDitEncoderPrivate*>(gst_dit_encoder_get_instance_private(GST_DIT_ENCODER(object)))->state;
  G_OBJECT_CLASS(gst_dit_encoder_parent_class)->finalize(object);
}

/// Both pads come from the subclass's templates, so they are made when its class is known.
void gst_dit_encoder_constructed(GObject* object) {
  auto* self = GST_DIT_ENCODER(object);
  GstElementClass* klass = GST_ELEMENT_GET_CLASS(object);
  GstPad* sink = gst_pad_new_from_template(gst_element_class_get_pad_template(klass, "sink"), "sink");
  gst_pad_set_chain_function(sink, gst_dit_encoder_chain);
  gst_pad_set_event_function(sink, gst_dit_encoder_sink_event);
  gst_pad_set_query_function(sink, gst_dit_encoder_sink_query);
  GstPad* src = gst_pad_new_from_template(gst_element_class_get_pad_template(klass, "src"), "src");
  gst_pad_use_fixed_caps(src);
  gst_element_add_pad(GST_ELEMENT(self), sink);
  gst_element_add_pad(GST_ELEMENT(self), src);
  static_cast<GstDitEncoderPrivate*>(gst_dit_encoder_get_instance_private(self))->state =
      new EncoderState(self, sink, src);
  G_OBJECT_CLASS(gst_dit_encoder_parent_class)->constructed(object);
}

}  // namespace

static void gst_dit_encoder_init(GstDitEncoder*) {}

static void gst_dit_encoder_class_init(GstDitEncoderClass* klass) {
  G_OBJECT_CLASS(klass)->constructed = gst_dit_encoder_constructed;
  G_OBJECT_CLASS(klass)->finalize = gst_dit_encoder_finalize;
  GST_ELEMENT_CLASS(klass)->change_state = gst_dit_encoder_change_state;
}

void gst_dit_encoder_class_describe(GstDitEncoderClass* klass, GstStaticPadTemplate* sink, GstStaticPadTemplate* src,
                                    const char* name, const char* kind, const char* what) {
  auto* element_class = GST_ELEMENT_CLASS(klass);
  gst_element_class_add_static_pad_template(element_class, sink);
  gst_element_class_add_static_pad_template(element_class, src);
  gst_element_class_set_static_metadata(element_class, name, kind, what, "ditsrc, https://github.com/ditsrc/ditsrc");
}

/// A class does not inherit these two of GObjectClass.
void gst_dit_encoder_class_keep_settings(GstDitEncoderClass* klass, void* (*setting)(GstDitEncoder*, guint)) {
  klass->setting = setting;
  G_OBJECT_CLASS(klass)->set_property = gst_dit_encoder_set_property;
  G_OBJECT_CLASS(klass)->get_property = gst_dit_encoder_get_property;
}
