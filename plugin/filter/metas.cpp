// SPDX-License-Identifier: MIT
#include "plugin/filter/metas.h"

#include <cstring>

#include "plugin/source/frames/meta.h"

namespace dit::plugin {
namespace {

/// What a meta says it depends on, and an icon of the same size has in common with its frame.
bool is_shared(const gchar* tag) {
  for (const char* known : {GST_META_TAG_VIDEO_STR, GST_META_TAG_VIDEO_SIZE_STR, GST_META_TAG_VIDEO_ORIENTATION_STR}) {
    if (std::strcmp(tag, known) == 0) return true;
  }
  return false;
}

}  // namespace

bool keep_meta(const GstVideoInfo& in, const GstVideoInfo& out, GstBuffer* input, GstMeta* meta, GstBuffer* output) {
  const GstMetaInfo* info = meta->info;
  // A painted frame's own: the icon gets another.
  if (gst_meta_info_is_custom(info) && gst_custom_meta_has_name(reinterpret_cast<GstCustomMeta*>(meta), meta_name)) {
    return false;
  }
  bool of_size = false;
  for (const gchar* const* tag = gst_meta_api_type_get_tags(info->api); tag != nullptr && *tag != nullptr; ++tag) {
    if (!is_shared(*tag)) return false;
    of_size |= std::strcmp(*tag, GST_META_TAG_VIDEO_SIZE_STR) == 0;
  }
  if (!of_size || (in.width == out.width && in.height == out.height)) return true;
  GstVideoInfo from = in;
  GstVideoInfo to = out;
  GstVideoMetaTransform scale = {&from, &to};
  if (info->transform_func != nullptr) {
    info->transform_func(output, meta, input, gst_video_meta_transform_scale_get_quark(), &scale);
  }
  return false;
}

}  // namespace dit::plugin
