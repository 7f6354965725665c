// SPDX-License-Identifier: MIT
#include "plugin/source/ditsrc.h"

#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "plugin/errors.h"
#include "plugin/source/allocation.h"
#include "plugin/source/caps.h"
#include "plugin/source/element.h"
#include "plugin/source/fingerprint.h"
#include "plugin/source/frames/fill.h"
#include "plugin/source/frames/live.h"
#include "plugin/source/messages.h"
#include "plugin/source/properties.h"
#include "plugin/source/queries.h"
#include "plugin/source/seek.h"
#include "plugin/source/uri.h"
#include "plugin/translate.h"

GST_DEBUG_CATEGORY(gst_dit_src_debug);

using dit::plugin::Element;
using dit::plugin::guarded;
using dit::plugin::ObjectLock;
using dit::plugin::Painter;
using dit::plugin::Phase;
using dit::plugin::Settings;
using dit::plugin::Stream;

struct _GstDitSrc {
  GstPushSrc parent;
  Element* state;
};

static void gst_dit_src_uri_handler_init(gpointer interface, gpointer);

G_DEFINE_TYPE_WITH_CODE(GstDitSrc, gst_dit_src, GST_TYPE_PUSH_SRC,
                        GST_DEBUG_CATEGORY_INIT(gst_dit_src_debug, "ditsrc", 0, "icon source");
                        G_IMPLEMENT_INTERFACE(GST_TYPE_URI_HANDLER, gst_dit_src_uri_handler_init);
                        G_IMPLEMENT_INTERFACE(GST_TYPE_PRESET, nullptr))

namespace {

#define PARENT_CLASS(type) type(gst_dit_src_parent_class)

Element& state_of(void* self) { return *GST_DIT_SRC(self)->state; }

// Properties

void gst_dit_src_set_property(GObject* object, guint id, const GValue* value, GParamSpec* pspec) {
  Element& e = state_of(object);
  const bool known = guarded(object, Phase::running, true, [&] {
    const ObjectLock lock(object);
    auto changed = std::make_shared<Settings>(*e.settings);
    if (!dit::plugin::set_property(*changed, id, value)) return false;
    e.settings = std::move(changed);
    return true;
  });
  if (!known) G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
}

void gst_dit_src_get_property(GObject* object, guint id, GValue* value, GParamSpec* pspec) {
  Element& e = state_of(object);
  const bool known = guarded(object, Phase::running, true, [&] {
    const ObjectLock lock(object);
    if (id != dit::plugin::prop_stats) return dit::plugin::get_property(*e.settings, id, value);
    g_value_take_boxed(value,
                       dit::plugin::structure_of("ditsrc-stats", e.stats, e.base->is_live ? e.latency.told() : 0));
    return true;
  });
  if (!known) G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
}

/// Whether the base class says no more than that an element downstream has failed, which has said so itself.
bool tells_of_downstream(Element& e, GstMessage* message) {
  const GstStructure* details = nullptr;
  gint flow = GST_FLOW_OK;
  gst_message_parse_error_details(message, &details);
  return details != nullptr && gst_structure_get_int(details, "flow-return", &flow) && flow == GST_FLOW_ERROR &&
         e.filled;
}

gboolean gst_dit_src_post_message(GstElement* element, GstMessage* message) {
  Element& e = state_of(element);
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR && tells_of_downstream(e, message)) e.failed = true;
  if (dit::plugin::drop_further_error(element, message, e.failed)) return TRUE;
  return PARENT_CLASS(GST_ELEMENT_CLASS)->post_message(element, message);
}

/// The base class asks whether it is seekable when a seek comes from downstream, but not when the application sends it
/// to the element; a live stream in PAUSED would then hang.
gboolean gst_dit_src_send_event(GstElement* element, GstEvent* event) {
  if (GST_EVENT_TYPE(event) == GST_EVENT_SEEK && !dit::plugin::seekable(state_of(element))) {
    GST_INFO_OBJECT(element, "cannot seek in a live stream or a still");
    gst_event_unref(event);
    return FALSE;
  }
  if (GST_EVENT_TYPE(event) == GST_EVENT_SEEK) dit::plugin::note_seek(state_of(element), event);
  return PARENT_CLASS(GST_ELEMENT_CLASS)->send_event(element, event);
}

/// Liveness is taken at the start, as all that is opened is: the base class asks for it at many places and must find
/// the same answer at all of them until the next start.
GstStateChangeReturn gst_dit_src_change_state(GstElement* element, GstStateChange transition) {
  Element& e = state_of(element);
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) gst_base_src_set_live(e.base, e.snapshot()->live);
  return PARENT_CLASS(GST_ELEMENT_CLASS)->change_state(element, transition);
}

// Opening and closing

/// Opens model and device. Throws.
void open(Element& e) {
  const auto settings = e.snapshot();
  // The same engine as before unless model or device have changed: the process knows the one that is kept here.
  const auto engine = dit::Engine::open(settings->session());
  const auto stream = std::make_shared<Stream>(engine, *settings);
  const dit::Session& session = stream->session();
  e.model_hash = dit::plugin::fingerprint(session.model().path());
  dit::plugin::post_words(e.element(), stream->read_prompts(dit::plugin::Itinerary(*settings)));
  e.origin = dit::plugin::origin_of(session);
  e.position = {};
  e.seek_pending = true;
  e.grid_started = e.discont = e.tags_sent = false;
  e.shown = {};
  e.governor.reset();
  e.policy = settings->policy();
  e.tried = {.good = settings, .refused = nullptr, .instead = nullptr, .why = ""};
  std::shared_ptr<Painter> painter;
  if (gst_base_src_is_live(e.base) && e.policy == dit::plugin::LatePolicy::repeat) {
    try {
      painter = dit::plugin::make_painter(e, stream);
    } catch (const std::system_error& error) {
      GST_WARNING_OBJECT(e.base, "no thread to paint ahead on (%s): frames leave when they are painted", error.what());
    }
  }
  std::shared_ptr<dit::Engine> old;  // closed after the lock
  const ObjectLock lock(e.base);
  old = std::exchange(e.engine, engine);
  e.stream = stream;
  painter.swap(e.painter);
  e.width = static_cast<int>(session.model().config().width);
  e.height = static_cast<int>(session.model().config().height);
  e.clock = {};
  e.stats = {};
  e.latency = {};
}

gboolean gst_dit_src_start(GstBaseSrc* base) {
  Element& e = state_of(base);
  e.failed = false;
  dit::plugin::post_progress(e.element(), GST_PROGRESS_TYPE_START);
  const gboolean opened = guarded(base, Phase::opening, gboolean{FALSE}, [&] {
    open(e);
    return gboolean{TRUE};
  });
  dit::plugin::post_progress(e.element(), opened ? GST_PROGRESS_TYPE_COMPLETE : GST_PROGRESS_TYPE_ERROR);
  if (!opened) return FALSE;
  const dit::Session& session = e.opened()->session();
  GST_INFO_OBJECT(base, "%s", session.device_note().c_str());
  dit::plugin::post_device(e.element(), session);
  return TRUE;
}

gboolean gst_dit_src_stop(GstBaseSrc* base) {
  Element& e = state_of(base);
  std::shared_ptr<Stream> stream;
  std::shared_ptr<Painter> painter;
  {
    const ObjectLock lock(base);
    stream.swap(e.stream);
    painter.swap(e.painter);
    e.width = e.height = 0;
  }
  // The base class has ended its flush, so the painter is at work again.
  if (stream) stream->cancel();
  painter.reset();
  e.shown = {};
  return TRUE;
}

/// Order matters: whoever is woken must already find the others stopped, and none may start before all may.
gboolean gst_dit_src_unlock(GstBaseSrc* base) {
  Element& e = state_of(base);
  if (const auto painter = e.painter_at_work()) painter->interrupt();
  if (const auto stream = e.opened()) stream->cancel();
  e.wait.interrupt();
  return TRUE;
}

gboolean gst_dit_src_unlock_stop(GstBaseSrc* base) {
  Element& e = state_of(base);
  e.failed = false;
  e.wait.resume();
  if (const auto stream = e.opened()) stream->resume();
  if (const auto painter = e.painter_at_work()) painter->resume();
  return TRUE;
}

// Caps, queries, seeks, events

GstCaps* gst_dit_src_get_caps(GstBaseSrc* base, GstCaps* filter) {
  return dit::plugin::caps_of(state_of(base), filter);
}

GstCaps* gst_dit_src_fixate(GstBaseSrc* base, GstCaps* caps) {
  return PARENT_CLASS(GST_BASE_SRC_CLASS)->fixate(base, dit::plugin::prefer(state_of(base), caps));
}

gboolean gst_dit_src_set_caps(GstBaseSrc* base, GstCaps* caps) { return dit::plugin::use_caps(state_of(base), caps); }

gboolean gst_dit_src_decide_allocation(GstBaseSrc* base, GstQuery* query) {
  return dit::plugin::choose_pool(query) && PARENT_CLASS(GST_BASE_SRC_CLASS)->decide_allocation(base, query);
}

/// The base class would only say "Internal data stream error".
gboolean gst_dit_src_negotiate(GstBaseSrc* base) {
  if (PARENT_CLASS(GST_BASE_SRC_CLASS)->negotiate(base)) return TRUE;
  dit::plugin::explain_no_caps(state_of(base));
  return FALSE;
}

gboolean gst_dit_src_query(GstBaseSrc* base, GstQuery* query) {
  return dit::plugin::answer(state_of(base), query) || PARENT_CLASS(GST_BASE_SRC_CLASS)->query(base, query);
}

gboolean gst_dit_src_is_seekable(GstBaseSrc* base) { return dit::plugin::seekable(state_of(base)); }

/// Called for seeks in other formats than time. The base class holds the stream lock, and may have flushed, only where
/// a side is relative; elsewhere a refusal changes nothing.
gboolean gst_dit_src_prepare_seek_segment(GstBaseSrc* base, GstEvent* event, GstSegment* segment) {
  if (PARENT_CLASS(GST_BASE_SRC_CLASS)->prepare_seek_segment(base, event, segment)) return TRUE;
  GstSeekType start_type = GST_SEEK_TYPE_NONE, stop_type = GST_SEEK_TYPE_NONE;
  gst_event_parse_seek(event, nullptr, nullptr, nullptr, &start_type, nullptr, &stop_type, nullptr);
  if (start_type == GST_SEEK_TYPE_END || stop_type == GST_SEEK_TYPE_END) dit::plugin::go_on(state_of(base));
  return FALSE;
}

gboolean gst_dit_src_do_seek(GstBaseSrc* base, GstSegment* segment) {
  return dit::plugin::do_seek(state_of(base), segment);
}

gboolean gst_dit_src_event(GstBaseSrc* base, GstEvent* event) {
  if (GST_EVENT_TYPE(event) == GST_EVENT_QOS) {
    GstClockTimeDiff jitter = 0;
    gst_event_parse_qos(event, nullptr, nullptr, &jitter, nullptr);
    state_of(base).governor.judged(jitter);
  }
  if (GST_EVENT_TYPE(event) == GST_EVENT_SEEK) dit::plugin::note_seek(state_of(base), event);
  return PARENT_CLASS(GST_BASE_SRC_CLASS)->event(base, event);
}

// Streaming

/// Where there is no memory for a frame, the error of the base class is the only one.
GstFlowReturn gst_dit_src_alloc(GstBaseSrc* base, guint64 offset, guint size, GstBuffer** buffer) {
  Element& e = state_of(base);
  e.filled = false;
  return PARENT_CLASS(GST_BASE_SRC_CLASS)->alloc(base, offset, size, buffer);
}

GstFlowReturn gst_dit_src_fill(GstPushSrc* source, GstBuffer* buffer) {
  Element& e = state_of(source);
  e.filled = false;
  return guarded(source, Phase::running, GST_FLOW_ERROR, [&] {
    try {
      const GstFlowReturn flow = dit::plugin::fill(e, buffer);
      e.filled = flow == GST_FLOW_OK;
      return flow;
    } catch (const dit::Cancelled&) {
      GST_DEBUG_OBJECT(source, "interrupted at frame %" G_GUINT64_FORMAT, static_cast<guint64>(e.position.next));
      // The base class has counted a frame that will be painted again.
      if (e.base->num_buffers_left >= 0) ++e.base->num_buffers_left;
      return GST_FLOW_FLUSHING;
    }
  });
}

void gst_dit_src_finalize(GObject* object) {
  // The thread that reads the model file must not outlive who asked for it.
  if (const auto& hash = GST_DIT_SRC(object)->state->model_hash; hash.valid()) hash.wait();
  delete GST_DIT_SRC(object)->state;
  PARENT_CLASS(G_OBJECT_CLASS)->finalize(object);
}

// URIs

GstURIType gst_dit_src_uri_type(GType) { return GST_URI_SRC; }

const gchar* const* gst_dit_src_uri_protocols(GType) {
  static const gchar* const protocols[] = {dit::plugin::uri_scheme, nullptr};
  return protocols;
}

gchar* gst_dit_src_get_uri(GstURIHandler* handler) { return dit::plugin::uri_of(G_OBJECT(handler)); }

gboolean gst_dit_src_set_uri(GstURIHandler* handler, const gchar* uri, GError** error) {
  return dit::plugin::set_uri(GST_ELEMENT(handler), uri, error);
}

}  // namespace

static void gst_dit_src_uri_handler_init(gpointer interface, gpointer) {
  auto* handler = static_cast<GstURIHandlerInterface*>(interface);
  handler->get_type = gst_dit_src_uri_type;
  handler->get_protocols = gst_dit_src_uri_protocols;
  handler->get_uri = gst_dit_src_get_uri;
  handler->set_uri = gst_dit_src_set_uri;
}

static void gst_dit_src_init(GstDitSrc* self) {
  self->state = new Element(GST_BASE_SRC(self));
  gst_base_src_set_format(GST_BASE_SRC(self), GST_FORMAT_TIME);
}

static void gst_dit_src_class_init(GstDitSrcClass* klass) {
  dit::plugin::bind_translations();
  dit::plugin::register_meta();
  auto* object_class = G_OBJECT_CLASS(klass);
  object_class->set_property = gst_dit_src_set_property;
  object_class->get_property = gst_dit_src_get_property;
  object_class->finalize = gst_dit_src_finalize;
  dit::plugin::install_properties(object_class, dit::plugin::Role::source);

  auto* element_class = GST_ELEMENT_CLASS(klass);
  element_class->post_message = gst_dit_src_post_message;
  element_class->send_event = gst_dit_src_send_event;
  element_class->change_state = gst_dit_src_change_state;
  gst_element_class_add_static_pad_template(element_class, dit::plugin::source_template());
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
  base_class->is_seekable = gst_dit_src_is_seekable;
  base_class->prepare_seek_segment = gst_dit_src_prepare_seek_segment;
  base_class->do_seek = gst_dit_src_do_seek;
  base_class->event = gst_dit_src_event;
  base_class->alloc = gst_dit_src_alloc;
  GST_PUSH_SRC_CLASS(klass)->fill = gst_dit_src_fill;
}
