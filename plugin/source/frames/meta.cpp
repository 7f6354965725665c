// SPDX-License-Identifier: MIT
#include "plugin/source/frames/meta.h"

namespace dit::plugin {

void register_meta() {
  // No tags: the meta says nothing about pixels or layout, so every element may copy it.
  static const gchar* tags[] = {nullptr};
  static const bool once = gst_meta_register_custom(meta_name, tags, nullptr, nullptr, nullptr) != nullptr;
  static_cast<void>(once);
}

void add_meta(GstBuffer* buffer, const Caption& caption, const Origin& origin, bool repeated) {
  GstCustomMeta* meta = gst_buffer_add_custom_meta(buffer, meta_name);
  if (meta == nullptr) return;
  const Station& at = caption.station;
  gst_structure_set(
      gst_custom_meta_get_structure(meta), "seed", G_TYPE_UINT64, static_cast<guint64>(at.point.from.seed), "index",
      G_TYPE_UINT64, static_cast<guint64>(at.point.from.index), "toward-index", G_TYPE_UINT64,
      static_cast<guint64>(at.point.toward.index), "blend", G_TYPE_DOUBLE, at.point.blend, "step", G_TYPE_UINT,
      static_cast<guint>(caption.step), "steps", G_TYPE_UINT, static_cast<guint>(caption.steps), "t", G_TYPE_DOUBLE,
      caption.t, "sigma", G_TYPE_DOUBLE, caption.sigma, "guidance", G_TYPE_DOUBLE, caption.guidance, "prompt",
      G_TYPE_STRING, caption.prompt().c_str(), "read-as", G_TYPE_STRING, describe_readings(*caption.label).c_str(),
      "toward-prompt", G_TYPE_STRING, caption.toward_prompt().c_str(), "style", G_TYPE_STRING,
      caption.settings->style.c_str(), "sampler", G_TYPE_STRING, name_of(caption.sampler), "model", G_TYPE_STRING,
      origin.model.c_str(), "model-name", G_TYPE_STRING, origin.model_name.c_str(), "device", G_TYPE_STRING,
      origin.device.c_str(), "precision", G_TYPE_STRING, origin.precision.c_str(), "repeated", G_TYPE_BOOLEAN,
      repeated ? TRUE : FALSE, nullptr);
}

}  // namespace dit::plugin
