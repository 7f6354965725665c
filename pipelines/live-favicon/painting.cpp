// SPDX-License-Identifier: MIT
#include "pipelines/live-favicon/painting.h"

#include <fmt/core.h>
#include <gst/app/gstappsrc.h>

#include <atomic>
#include <utility>

namespace favicon {
namespace {

using Weak = std::weak_ptr<Painting>;

/// Enough for a busy moment of the main loop, few enough for a slow visitor to see what is new.
constexpr std::size_t most_waiting = 4;

std::string description(Kind kind, const Wish& wish) {
  // Whatever a visitor wrote is set as a property and never part of this text.
  const std::string one = wish.sketch ? "appsrc name=in format=time ! ditfilter name=paint ! video/x-raw,format=RGBA ! "
                                      : "ditsrc name=paint num-buffers=1 ! video/x-raw,format=RGBA ! ";
  const std::string sink = " ! appsink name=out sync=false";
  switch (kind) {
    case Kind::steps:
      return fmt::format(
                 "ditsrc name=paint emit=steps num-buffers={} ! video/x-raw,format=RGBA,framerate=10/1 ! pngenc",
                 wish.steps) +
             sink;
    case Kind::webp:
      if (wish.sketch) return one + ("ditwebpenc" + sink);
      return fmt::format(
                 "ditsrc name=paint emit=steps hold=10 num-buffers={} ! "
                 "video/x-raw,format=RGBA,framerate=10/1 ! ditwebpenc",
                 wish.steps + 9) +
             sink;
    case Kind::png:
      return one + ("pngenc" + sink);
    case Kind::ico:
      return one + ("diticomux" + sink);
  }
  return {};
}

/// Has `source` give the sketch and nothing else, as soon as it is asked for something.
void give_sketch(GstAppSrc* source, const Painter& painter, const std::string& pixels) {
  GstCaps* caps = gst_caps_new_simple("video/x-raw", "format", G_TYPE_STRING, "RGBA", "width", G_TYPE_INT,
                                      static_cast<int>(painter.width), "height", G_TYPE_INT,
                                      static_cast<int>(painter.height), "framerate", GST_TYPE_FRACTION, 0, 1, nullptr);
  gst_app_src_set_caps(source, caps);
  gst_caps_unref(caps);
  GstBuffer* buffer = gst_buffer_new_memdup(pixels.data(), pixels.size());
  GST_BUFFER_PTS(buffer) = 0;
  GstAppSrcCallbacks callbacks{};
  callbacks.need_data = [](GstAppSrc* asking, guint, gpointer data) {
    gst_app_src_push_buffer(asking, gst_buffer_ref(static_cast<GstBuffer*>(data)));
    gst_app_src_end_of_stream(asking);
  };
  gst_app_src_set_callbacks(source, &callbacks, buffer, [](gpointer data) { gst_buffer_unref(GST_BUFFER(data)); });
}

/// Pipelines that have been told to end and have not yet.
std::atomic<unsigned> ending = 0;

}  // namespace

/// State changes wait for the streaming thread, so they happen in threads of GStreamer's, which may run them in any
/// order: a pipeline that was stopped must not be started by a call that comes late.
struct Painting::Switch {
  std::mutex mutex;
  bool stopped = false;
};

namespace {

template <typename Body>
void call_async(GstElement* pipeline, Body body) {
  gst_element_call_async(
      pipeline, [](GstElement* element, gpointer data) { (*static_cast<Body*>(data))(element); },
      new Body(std::move(body)), [](gpointer data) { delete static_cast<Body*>(data); });
}

}  // namespace

std::shared_ptr<Painting> Painting::start(const Painter& painter, const Wish& wish, Kind kind,
                                          std::function<void()> changed, std::shared_ptr<const void> share) {
  const std::shared_ptr<Painting> painting(new Painting(std::move(changed), std::move(share)));
  painting->build(painter, wish, kind);
  return painting;
}

void Painting::build(const Painter& painter, const Wish& wish, Kind kind) {
  switch_ = std::make_shared<Switch>();
  GError* error = nullptr;
  pipeline_ = gst_parse_launch(description(kind, wish).c_str(), &error);
  if (error != nullptr) {
    failure_ = Failure{false, error->message};
    g_error_free(error);
    ended_ = true;
    return;
  }
  GstElement* paint = gst_bin_get_by_name(GST_BIN(pipeline_), "paint");
  g_object_set(paint, "device", painter.device.c_str(), "prompt", wish.prompt.c_str(), "style", wish.style.c_str(),
               "seed", static_cast<guint64>(wish.seed), "steps", wish.steps, nullptr);
  if (!painter.model.empty()) g_object_set(paint, "model-location", painter.model.c_str(), nullptr);
  if (wish.sketch) {
    g_object_set(paint, "strength", wish.sketch->strength, nullptr);
    GstElement* in = gst_bin_get_by_name(GST_BIN(pipeline_), "in");
    give_sketch(GST_APP_SRC(in), painter, wish.sketch->pixels);
    gst_object_unref(in);
  }
  gst_object_unref(paint);

  GstElement* out = gst_bin_get_by_name(GST_BIN(pipeline_), "out");
  GstAppSinkCallbacks callbacks{};
  callbacks.new_sample = [](GstAppSink* sink, gpointer weak) {
    const auto self = static_cast<Weak*>(weak)->lock();
    GstSample* sample = gst_app_sink_pull_sample(sink);
    const GstFlowReturn flow = self && sample != nullptr ? self->keep(sample) : GST_FLOW_EOS;
    if (sample != nullptr) gst_sample_unref(sample);
    return flow;
  };
  gst_app_sink_set_callbacks(GST_APP_SINK(out), &callbacks, new Weak(weak_from_this()),
                             [](gpointer weak) { delete static_cast<Weak*>(weak); });
  gst_object_unref(out);

  GstBus* bus = gst_element_get_bus(pipeline_);
  watch_ = gst_bus_add_watch(
      bus,
      [](GstBus*, GstMessage* message, gpointer self) {
        // The caller may let go of us while we tell him.
        const auto alive = static_cast<Painting*>(self)->shared_from_this();
        alive->handle(message);
        return gboolean{G_SOURCE_CONTINUE};
      },
      this);
  gst_object_unref(bus);
  call_async(pipeline_, [control = switch_](GstElement* pipeline) {
    const std::lock_guard lock(control->mutex);
    if (!control->stopped) gst_element_set_state(pipeline, GST_STATE_PLAYING);
  });
}

/// In the streaming thread.
GstFlowReturn Painting::keep(GstSample* sample) {
  GstMapInfo map;
  GstBuffer* buffer = gst_sample_get_buffer(sample);
  if (!gst_buffer_map(buffer, &map, GST_MAP_READ)) return GST_FLOW_ERROR;
  std::string bytes(reinterpret_cast<const char*>(map.data), map.size);
  gst_buffer_unmap(buffer, &map);
  const std::lock_guard lock(mutex_);
  if (waiting_.size() == most_waiting) waiting_.pop_front();
  waiting_.push_back({++frames_, std::move(bytes)});
  if (notified_) return GST_FLOW_OK;
  notified_ = true;
  g_idle_add_full(
      G_PRIORITY_DEFAULT,
      [](gpointer weak) {
        if (const auto self = static_cast<Weak*>(weak)->lock()) {
          {
            const std::lock_guard inner(self->mutex_);
            self->notified_ = false;
          }
          self->notify();
        }
        return gboolean{G_SOURCE_REMOVE};
      },
      new Weak(weak_from_this()), [](gpointer weak) { delete static_cast<Weak*>(weak); });
  return GST_FLOW_OK;
}

std::optional<Picture> Painting::take() {
  const std::lock_guard lock(mutex_);
  if (waiting_.empty()) return std::nullopt;
  Picture picture = std::move(waiting_.front());
  waiting_.pop_front();
  return picture;
}

void Painting::notify() {
  // A copy: the call may replace or drop us.
  if (const auto changed = changed_) changed();
}

void Painting::handle(GstMessage* message) {
  switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_ELEMENT: {
      guint64 ns = 0;
      const GstStructure* structure = gst_message_get_structure(message);
      if (gst_structure_has_name(structure, "ditsrc-icon") && gst_structure_get_uint64(structure, "render-time", &ns)) {
        render_ms_ = static_cast<double>(ns) / 1e6;
      }
      return;
    }
    case GST_MESSAGE_ERROR: {
      if (ended_) return;
      GError* error = nullptr;
      gst_message_parse_error(message, &error, nullptr);
      failure_ =
          Failure{g_error_matches(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS) != FALSE, error->message};
      g_error_free(error);
      break;
    }
    case GST_MESSAGE_EOS:
      break;
    default:
      return;
  }
  ended_ = true;
  notify();
}

void Painting::stop() {
  changed_ = nullptr;
  if (watch_ != 0) g_source_remove(std::exchange(watch_, 0));
  if (pipeline_ == nullptr) return;
  ++ending;
  call_async(pipeline_, [control = switch_, share = std::move(share_)](GstElement* pipeline) {
    {
      const std::lock_guard lock(control->mutex);
      control->stopped = true;
      gst_element_set_state(pipeline, GST_STATE_NULL);
    }
    --ending;
  });
  gst_object_unref(std::exchange(pipeline_, nullptr));  // the thread that changes the state holds one more
}

unsigned Painting::stopping() { return ending; }

void Painting::wait_for_stopped() {
  for (int ms = 0; ending > 0 && ms < 10000; ++ms) g_usleep(1000);
}

}  // namespace favicon
