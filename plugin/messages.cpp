// SPDX-License-Identifier: MIT
#include "plugin/messages.h"

#include <memory>

namespace dit::plugin {
namespace {

void post(GstElement* element, GstStructure* structure) {
  gst_element_post_message(element, gst_message_new_element(GST_OBJECT(element), structure));
}

}  // namespace

void post_device(GstElement* element, const Session& session) {
  const DeviceInfo& device = session.device();
  // A path may hold any bytes, a message's string only UTF-8.
  const std::unique_ptr<gchar, decltype(&g_free)> model(g_utf8_make_valid(session.model().path().c_str(), -1), g_free);
  post(element, gst_structure_new("ditsrc-device", "device", G_TYPE_STRING, device.spec.c_str(), "name", G_TYPE_STRING,
                                  device.name.c_str(), "note", G_TYPE_STRING, session.device_note().c_str(), "model",
                                  G_TYPE_STRING, model.get(), nullptr));
}

void post_icon(GstElement* element, const Settings& settings, const Picture& picture) {
  post(element,
       gst_structure_new("ditsrc-icon", "index", G_TYPE_UINT64, static_cast<guint64>(picture.icon), "seed",
                         G_TYPE_UINT64, static_cast<guint64>(settings.effective_seed()), "prompt", G_TYPE_STRING,
                         settings.prompt.c_str(), "style", G_TYPE_STRING, settings.style.c_str(), "steps", G_TYPE_UINT,
                         static_cast<guint>(picture.steps), "render-time", G_TYPE_UINT64,
                         static_cast<guint64>(picture.render_time.count()), nullptr));
}

}  // namespace dit::plugin
