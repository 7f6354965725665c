// SPDX-License-Identifier: MIT
#include "plugin/filter/ditfilter.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "plugin/errors.h"
#include "plugin/filter/caps.h"
#include "plugin/filter/filter.h"
#include "plugin/filter/frames.h"
#include "plugin/filter/metas.h"
#include "plugin/source/fingerprint.h"
#include "plugin/source/messages.h"
#include "plugin/source/properties.h"
#include "plugin/translate.h"

GST_DEBUG_CATEGORY(gst_dit_filter_debug);
#undef GST_CAT_DEFAULT  // messages.h brings the source's
#define GST_CAT_DEFAULT gst_dit_filter_debug

using dit::plugin::Filter;
using dit::plugin::guarded;
using dit::plugin::ObjectLock;
using dit::plugin::Phase;
using dit::plugin::Settings;
using dit::plugin::SketchPainter;

struct _GstDitFilter {
  GstVideoFilter parent;
  Filter* state;
};

G_DEFINE_TYPE_WITH_CODE(GstDitFilter, gst_dit_filter, GST_TYPE_VIDEO_FILTER,
                        GST_DEBUG_CATEGORY_INIT(gst_dit_filter_debug, "ditfilter", 0, "icons from frames");
                        G_IMPLEMENT_INTERFACE(GST_TYPE_PRESET, nullptr))

namespace {

#define PARENT_CLASS(type) type(gst_dit_filter_parent_class)

Filter& state_of(void* self) { return *GST_DIT_FILTER(self)->state; }

// Properties

void gst_dit_filter_set_property(GObject* object, guint id, const GValue* value, GParamSpec* pspec) {
  Filter& f = state_of(object);
  const bool known = guarded(object, Phase::running, true, [&] {
    const ObjectLock lock(object);
    auto changed = std::make_shared<Settings>(*f.settings);
    if (!dit::plugin::set_property(*changed, id, value)) return false;
    f.settings = std::move(changed);
    return true;
  });
  if (!known) G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
}

void gst_dit_filter_get_property(GObject* object, guint id, GValue* value, GParamSpec* pspec) {
  Filter& f = state_of(object);
  const bool known = guarded(object, Phase::running, true, [&] {
    const ObjectLock lock(object);
    if (id != dit::plugin::prop_stats) return dit::plugin::get_property(*f.settings, id, value);
    g_value_take_boxed(value, dit::plugin::structure_of("ditfilter-stats", f.stats, f.latency.told()));
    return true;
  });
  if (!known) G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
}

gboolean gst_dit_filter_post_message(GstElement* element, GstMessage* message) {
  if (dit::plugin::drop_further_error(element, message, state_of(element).failed)) return TRUE;
  return PARENT_CLASS(GST_ELEMENT_CLASS)->post_message(element, message);
}

// Opening and closing

/// Opens model and device. Throws.
void open(Filter& f) {
  const auto settings = f.snapshot();
  // The same engine as before unless model or device have changed: the process knows the one that is kept here.
  const auto engine = dit::Engine::open(settings->session());
  auto painter = std::make_shared<SketchPainter>(engine, *settings);
  const dit::Session& session = painter->session();
  dit::plugin::post_words(f.element(), painter->take_settings(settings));
  f.model_hash = dit::plugin::fingerprint(session.model().path());
  f.origin = dit::plugin::origin_of(session);
  f.warned_of_mask = false;
  forget_frames(f);
  auto sink_caps = dit::plugin::sink_caps_of(painter->size());
  auto source_caps = dit::plugin::source_caps_of(painter->size());
  std::shared_ptr<dit::Engine> old;  // closed after the lock
  const ObjectLock lock(f.base);
  old = std::exchange(f.engine, engine);
  f.painter = std::move(painter);
  f.sink_caps = std::move(sink_caps);
  f.source_caps = std::move(source_caps);
  f.stats = {};
  f.latency = {};
  f.live = false;
}

gboolean gst_dit_filter_start(GstBaseTransform* base) {
  Filter& f = state_of(base);
  f.failed = false;
  dit::plugin::post_progress(f.element(), GST_PROGRESS_TYPE_START);
  const gboolean opened = guarded(base, Phase::opening, gboolean{FALSE}, [&] {
    open(f);
    return gboolean{TRUE};
  });
  dit::plugin::post_progress(f.element(), opened ? GST_PROGRESS_TYPE_COMPLETE : GST_PROGRESS_TYPE_ERROR);
  if (!opened) return FALSE;
  const dit::Session& session = f.opened()->session();
  GST_INFO_OBJECT(base, "%s", session.device_note().c_str());
  dit::plugin::post_device(f.element(), session);
  return TRUE;
}

gboolean gst_dit_filter_stop(GstBaseTransform* base) {
  Filter& f = state_of(base);
  std::shared_ptr<SketchPainter> painter;  // closed after the lock
  {
    const ObjectLock lock(base);
    painter.swap(f.painter);
    f.sink_caps.reset();
    f.source_caps.reset();
  }
  forget_frames(f);
  return TRUE;
}

/// Before the base class waits for the streaming thread, which may be painting.
GstStateChangeReturn gst_dit_filter_change_state(GstElement* element, GstStateChange transition) {
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    if (const auto painter = state_of(element).opened()) painter->cancel();
  }
  return PARENT_CLASS(GST_ELEMENT_CLASS)->change_state(element, transition);
}

// Caps

GstCaps* gst_dit_filter_transform_caps(GstBaseTransform* base, GstPadDirection direction, GstCaps* caps,
                                       GstCaps* filter) {
  return dit::plugin::other_caps(state_of(base), direction, caps, filter);
}

GstCaps* gst_dit_filter_fixate_caps(GstBaseTransform* base, GstPadDirection direction, GstCaps* caps, GstCaps* others) {
  if (direction == GST_PAD_SINK) return dit::plugin::prefer_caps(state_of(base), caps, others);
  return gst_caps_fixate(others);
}

gboolean gst_dit_filter_set_info(GstVideoFilter* filter, GstCaps*, GstVideoInfo* in, GstCaps* out_caps,
                                 GstVideoInfo* out) {
  Filter& f = state_of(filter);
  if (dit::plugin::factor_of({out->width, out->height}, f.size()) == 0) {
    dit::plugin::error_no_caps(f.element(), f.source_caps.get(), out_caps);
    return FALSE;
  }
  f.in = *in;
  f.out = *out;
  f.warned_of_mask = false;
  return TRUE;
}

/// The core refuses caps before the element sees them, and whoever sent them only says "not negotiated". Whoever asked
/// first and found none ends the stream without any.
GstPadProbeReturn explain_refused_caps(GstPad* pad, GstPadProbeInfo* info, gpointer self) {
  GstEvent* event = GST_PAD_PROBE_INFO_EVENT(info);
  if (GST_EVENT_TYPE(event) == GST_EVENT_EOS && !gst_pad_has_current_caps(pad)) {
    dit::plugin::explain_no_common_caps(state_of(self), pad);
  }
  if (GST_EVENT_TYPE(event) != GST_EVENT_CAPS) return GST_PAD_PROBE_OK;
  GstCaps* caps = nullptr;
  gst_event_parse_caps(event, &caps);
  if (!gst_pad_query_accept_caps(pad, caps)) dit::plugin::explain_refusal(state_of(self), caps);
  return GST_PAD_PROBE_OK;
}

// Frames

GstFlowReturn gst_dit_filter_submit(GstBaseTransform* base, gboolean discont, GstBuffer* input) {
  Filter& f = state_of(base);
  const GstFlowReturn flow = PARENT_CLASS(GST_BASE_TRANSFORM_CLASS)->submit_input_buffer(base, discont, input);
  if (flow == GST_BASE_TRANSFORM_FLOW_DROPPED) {
    const ObjectLock lock(base);
    ++f.stats.skipped;
  }
  if (flow != GST_FLOW_OK || base->queued_buf == nullptr) return flow;
  GstBuffer* buffer = std::exchange(base->queued_buf, nullptr);
  return guarded(base, Phase::running, GST_FLOW_ERROR, [&] { return take_frame(f, buffer); });
}

/// The next icon's buffer, or none if there is none yet. complete  paint what waits even if that is no whole batch
GstFlowReturn next_icon(Filter& f, bool complete, GstBuffer** output) {
  *output = nullptr;
  return guarded(f.base, Phase::running, GST_FLOW_ERROR, [&] {
    try {
      if (f.painted.empty() && (complete || batch_is_complete(f))) paint_batch(f);
    } catch (const dit::Cancelled&) {
      GST_DEBUG_OBJECT(f.base, "interrupted");
      return GST_FLOW_FLUSHING;
    }
    if (f.painted.empty()) return GST_FLOW_OK;
    // From here on as for any filter: it allocates, copies times and metas, and calls transform_frame.
    f.base->queued_buf = f.painted.front().buffer.release();
    const GstFlowReturn flow = PARENT_CLASS(GST_BASE_TRANSFORM_CLASS)->generate_output(f.base, output);
    if (flow == GST_FLOW_OK && *output != nullptr) {
      finish_frame(f, *output);
    } else {
      f.painted.pop_front();
    }
    return flow;
  });
}

GstFlowReturn gst_dit_filter_generate(GstBaseTransform* base, GstBuffer** output) {
  return next_icon(state_of(base), false, output);
}

GstFlowReturn gst_dit_filter_transform_frame(GstVideoFilter* filter, GstVideoFrame*, GstVideoFrame* out) {
  write_icon(state_of(filter), *out);
  return GST_FLOW_OK;
}

/// Before an event that no frame may overtake.
void send_waiting(Filter& f) {
  GstFlowReturn flow = GST_FLOW_OK;
  while (flow == GST_FLOW_OK && !(f.waiting.empty() && f.painted.empty())) {
    GstBuffer* output = nullptr;
    flow = next_icon(f, true, &output);
    if (flow == GST_FLOW_OK && output != nullptr) flow = gst_pad_push(f.base->srcpad, output);
  }
  f.waiting.clear();
  f.painted.clear();
}

// Events and queries

gboolean gst_dit_filter_sink_event(GstBaseTransform* base, GstEvent* event) {
  Filter& f = state_of(base);
  const GstEventType type = GST_EVENT_TYPE(event);
  if (type == GST_EVENT_FLUSH_START) {
    if (const auto painter = f.opened()) painter->cancel();
  } else if (type == GST_EVENT_FLUSH_STOP) {
    forget_frames(f);
    f.failed = false;
    if (const auto painter = f.opened()) painter->resume();
  } else if (GST_EVENT_IS_SERIALIZED(event)) {
    send_waiting(f);
  }
  return PARENT_CLASS(GST_BASE_TRANSFORM_CLASS)->sink_event(base, event);
}

/// Frames that wait for a batch are buffers of upstream's, which may have few.
gboolean gst_dit_filter_propose_allocation(GstBaseTransform* base, GstQuery* decide, GstQuery* query) {
  if (!PARENT_CLASS(GST_BASE_TRANSFORM_CLASS)->propose_allocation(base, decide, query)) return FALSE;
  const auto painter = state_of(base).opened();
  const guint kept = painter ? painter->batch_size() : 1;
  for (guint i = 0; i < gst_query_get_n_allocation_pools(query); ++i) {
    GstBufferPool* pool = nullptr;
    guint size = 0;
    guint least = 0;
    guint most = 0;
    gst_query_parse_nth_allocation_pool(query, i, &pool, &size, &least, &most);
    least += kept;
    gst_query_set_nth_allocation_pool(query, i, pool, size, least, most == 0 ? 0 : std::max(least, most));
    gst_clear_object(&pool);
  }
  return TRUE;
}

/// As the base class answers, but of a copy of its segment: a flush or a start may make that anew between two looks at
/// it, and who asks for a position comes from any thread.
gboolean query_position(GstBaseTransform* base, GstPadDirection direction, GstQuery* query) {
  GstFormat format = GST_FORMAT_UNDEFINED;
  gst_query_parse_position(query, &format, nullptr);
  const GstSegment segment = base->segment;
  if (format != GST_FORMAT_TIME || segment.format != GST_FORMAT_TIME) {
    return gst_pad_peer_query(direction == GST_PAD_SRC ? base->sinkpad : base->srcpad, query);
  }
  const auto position = gst_segment_to_stream_time(&segment, GST_FORMAT_TIME, segment.position);
  gst_query_set_position(query, format, static_cast<gint64>(position));
  return TRUE;
}

gboolean gst_dit_filter_query(GstBaseTransform* base, GstPadDirection direction, GstQuery* query) {
  if (GST_QUERY_TYPE(query) == GST_QUERY_POSITION) return query_position(base, direction, query);
  if (GST_QUERY_TYPE(query) == GST_QUERY_DRAIN && direction == GST_PAD_SINK) send_waiting(state_of(base));
  if (!PARENT_CLASS(GST_BASE_TRANSFORM_CLASS)->query(base, direction, query)) return FALSE;
  if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY || direction != GST_PAD_SRC) return TRUE;
  gboolean live = FALSE;
  GstClockTime least = 0;
  GstClockTime most = GST_CLOCK_TIME_NONE;
  gst_query_parse_latency(query, &live, &least, &most);
  Filter& f = state_of(base);
  GstClockTime own = 0;
  {
    const ObjectLock lock(base);
    f.live = live != FALSE;
    own = f.latency.told();
  }
  gst_query_set_latency(query, live, least + own, GST_CLOCK_TIME_IS_VALID(most) ? most + own : most);
  return TRUE;
}

gboolean gst_dit_filter_transform_meta(GstBaseTransform* base, GstBuffer* output, GstMeta* meta, GstBuffer* input) {
  Filter& f = state_of(base);
  return dit::plugin::keep_meta(f.in, f.out, input, meta, output);
}

void gst_dit_filter_finalize(GObject* object) {
  // The thread that reads the model file must not outlive who asked for it.
  if (const auto& hash = GST_DIT_FILTER(object)->state->model_hash; hash.valid()) hash.wait();
  delete GST_DIT_FILTER(object)->state;
  PARENT_CLASS(G_OBJECT_CLASS)->finalize(object);
}

}  // namespace

static void gst_dit_filter_init(GstDitFilter* self) {
  auto* base = GST_BASE_TRANSFORM(self);
  self->state = new Filter(base);
  gst_base_transform_set_qos_enabled(base, TRUE);
  gst_base_transform_set_gap_aware(base, TRUE);
  gst_base_transform_set_prefer_passthrough(base, FALSE);
  gst_pad_add_probe(base->sinkpad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, explain_refused_caps, self, nullptr);
}

static void gst_dit_filter_class_init(GstDitFilterClass* klass) {
  dit::plugin::bind_translations();
  dit::plugin::register_meta();
  auto* object_class = G_OBJECT_CLASS(klass);
  object_class->set_property = gst_dit_filter_set_property;
  object_class->get_property = gst_dit_filter_get_property;
  object_class->finalize = gst_dit_filter_finalize;
  dit::plugin::install_properties(object_class, dit::plugin::Role::filter);

  auto* element_class = GST_ELEMENT_CLASS(klass);
  element_class->post_message = gst_dit_filter_post_message;
  element_class->change_state = gst_dit_filter_change_state;
  gst_element_class_add_static_pad_template(element_class, dit::plugin::sink_template());
  gst_element_class_add_static_pad_template(element_class, dit::plugin::icon_template());
  gst_element_class_set_static_metadata(element_class, "Diffusion icon filter", "Filter/Effect/Video",
                                        "Makes an icon of every frame with a diffusion transformer, which begins with "
                                        "the frame and goes as far from it as strength says",
                                        "ditsrc, https://github.com/ditsrc/ditsrc");

  auto* base_class = GST_BASE_TRANSFORM_CLASS(klass);
  base_class->start = gst_dit_filter_start;
  base_class->stop = gst_dit_filter_stop;
  base_class->transform_caps = gst_dit_filter_transform_caps;
  base_class->fixate_caps = gst_dit_filter_fixate_caps;
  base_class->submit_input_buffer = gst_dit_filter_submit;
  base_class->generate_output = gst_dit_filter_generate;
  base_class->sink_event = gst_dit_filter_sink_event;
  base_class->query = gst_dit_filter_query;
  base_class->propose_allocation = gst_dit_filter_propose_allocation;
  base_class->transform_meta = gst_dit_filter_transform_meta;
  base_class->passthrough_on_same_caps = FALSE;
  GST_VIDEO_FILTER_CLASS(klass)->set_info = gst_dit_filter_set_info;
  GST_VIDEO_FILTER_CLASS(klass)->transform_frame = gst_dit_filter_transform_frame;
}
