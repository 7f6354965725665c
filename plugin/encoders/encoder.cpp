// SPDX-License-Identifier: MIT
#include "plugin/encoders/encoder.h"

#include <memory>
#include <new>

#include "engine/session/session.h"
#include "plugin/encoders/frames/encoder_state.h"
#include "plugin/errors.h"

GST_DEBUG_CATEGORY_STATIC(gst_dit_encoder_debug);
#define GST_CAT_DEFAULT gst_dit_encoder_debug

namespace dit::plugin {

void ShortFrames::check(const Frame& frame, std::uint64_t length, std::uint64_t unit_ns, Output& output) {
  if (warned_ || frame.duration == 0 || length >= 20 * GST_MSECOND / unit_ns) return;
  warned_ = true;
  output.warn(fmt::format("frames last less than 20 ms: browsers {}", shown_).c_str());
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
  // One error says what happened; what comes after it, as the end of the stream does, has none of its own.
  if (state_of(self).failed()) return GST_FLOW_ERROR;
  return dit::plugin::guarded(self, dit::plugin::Phase::running, GST_FLOW_ERROR, [&] {
    try {
      return body();
    } catch (const StreamStopped& stopped) {
      return stopped.flow;
    } catch (const dit::Error&) {
      state_of(self).fail();
      throw;
    } catch (const std::bad_alloc&) {
      state_of(self).fail();
      throw;
    } catch (const EncodeError& error) {
      state_of(self).fail();
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
  if (G_IS_PARAM_SPEC_ENUM(pspec)) *static_cast<gint*>(place) = g_value_get_enum(value);
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
  if (G_IS_PARAM_SPEC_ENUM(pspec)) g_value_set_enum(value, *static_cast<const gint*>(place));
  if (G_IS_PARAM_SPEC_DOUBLE(pspec)) g_value_set_double(value, *static_cast<const gdouble*>(place));
  if (G_IS_PARAM_SPEC_BOOLEAN(pspec)) g_value_set_boolean(value, *static_cast<const gboolean*>(place));
  if (G_IS_PARAM_SPEC_STRING(pspec)) g_value_set_string(value, *static_cast<gchar* const*>(place));
  GST_OBJECT_UNLOCK(object);
}

/// Bytes without caps are no frames of raw video, whatever their number; a PNG file says itself what it is.
bool lacks_caps(GstPad* pad) {
  if (gst_pad_has_current_caps(pad)) return false;
  GstCaps* taken = gst_pad_get_pad_template_caps(pad);
  const bool raw = gst_structure_has_name(gst_caps_get_structure(taken, 0), "video/x-raw");
  gst_caps_unref(taken);
  return raw;
}

GstFlowReturn gst_dit_encoder_chain(GstPad* pad, GstObject* parent, GstBuffer* buffer) {
  auto* self = GST_DIT_ENCODER(parent);
  std::unique_ptr<GstBuffer, decltype(&gst_buffer_unref)> owned(buffer, gst_buffer_unref);
  return guarded_flow(self, [&] {
    dit::plugin::expect_frame(!lacks_caps(pad), "expected caps before the first frame, found none");
    return state_of(self).add(owned.release());
  });
}

/// Writes what is left. No end of stream follows an error: the file is not complete.
gboolean end_of_stream(GstDitEncoder* self, GstPad* pad, GstEvent* event) {
  if (lacks_caps(pad) && !state_of(self).failed()) {
    // Whoever was to send frames found no format for them, and has said so in an error of its own.
    GST_ELEMENT_WARNING(self, STREAM, ENCODE, ("the stream ended before it had caps: no file"), (nullptr));
    return gst_pad_event_default(pad, GST_OBJECT(self), event);
  }
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

/// Square pixels, so that whoever can make them does. What comes is held against the template all the same: caps need
/// not speak of pixels.
void answer_caps(GstPad* pad, GstQuery* query) {
  GstCaps* filter = nullptr;
  gst_query_parse_caps(query, &filter);
  GstCaps* caps = gst_caps_make_writable(gst_pad_get_pad_template_caps(pad));
  if (gst_structure_has_name(gst_caps_get_structure(caps, 0), "video/x-raw"))
    gst_caps_set_simple(caps, "pixel-aspect-ratio", GST_TYPE_FRACTION, 1, 1, nullptr);
  if (filter != nullptr) gst_caps_take(&caps, gst_caps_intersect_full(filter, caps, GST_CAPS_INTERSECT_FIRST));
  gst_query_set_caps_result(query, caps);
  gst_caps_unref(caps);
}

gboolean gst_dit_encoder_sink_query(GstPad* pad, GstObject* parent, GstQuery* query) {
  if (GST_QUERY_TYPE(query) == GST_QUERY_CAPS) {
    answer_caps(pad, query);
    return TRUE;
  }
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
  GST_PAD_SET_ACCEPT_TEMPLATE(sink);
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
