// SPDX-License-Identifier: MIT
#include "plugin/encoders/icomux.h"

#include <png.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "engine/session/session.h"
#include "plugin/encoders/encoder.h"
#include "plugin/encoders/resize.h"

namespace dit::plugin {
namespace {

constexpr const char* default_sizes = "16,32,48,64,128,256";
constexpr int most_size = 256;  // an entry's size has one byte, 0 = 256

/// "16,32,48" as numbers, ascending.
std::vector<int> parse_sizes(const std::string& text) {
  std::vector<int> sizes;
  const char* at = text.data();
  const char* end = at + text.size();
  for (bool more = true; more;) {
    while (at != end && *at == ' ') ++at;
    int size = 0;
    const auto [next, error] = std::from_chars(at, end, size);
    expect(error == std::errc() && size >= 1 && size <= most_size && (next == end || *next == ','), ErrorKind::settings,
           "sizes: expected numbers from 1 to {} separated by commas, found '{}'", most_size, text);
    sizes.push_back(size);
    more = next != end;
    at = more ? next + 1 : next;
  }
  std::sort(sizes.begin(), sizes.end());
  expect(std::adjacent_find(sizes.begin(), sizes.end()) == sizes.end(), ErrorKind::settings,
         "sizes: expected each size once, found '{}'", text);
  return sizes;
}

std::vector<std::uint8_t> encode_png(const std::vector<std::uint8_t>& rgba, int size) {
  png_image png;
  std::memset(&png, 0, sizeof png);
  png.version = PNG_IMAGE_VERSION;
  png.width = png.height = static_cast<png_uint_32>(size);
  png.format = PNG_FORMAT_RGBA;
  std::vector<std::uint8_t> bytes(PNG_IMAGE_PNG_SIZE_MAX(png));
  png_alloc_size_t used = bytes.size();
  expect_frame(png_image_write_to_memory(&png, bytes.data(), &used, 0, rgba.data(), 0, nullptr) != 0, "libpng says {}",
               png.message);
  bytes.resize(used);
  return bytes;
}

void put_le(std::vector<std::uint8_t>& bytes, std::uint32_t value, int count) {
  for (int i = 0; i < count; ++i) bytes.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

class IcoMuxer final : public Encoder {
 public:
  IcoMuxer(const std::string& sizes, bool snapshot, const Input& input, Output& output)
      : sizes_(parse_sizes(sizes)), snapshot_(snapshot), input_(input), output_(output) {
    output_.set_caps(gst_caps_new_empty_simple("image/vnd.microsoft.icon"));
  }
  void add(const Frame& frame) override;
  void finish() override {}

 private:
  std::vector<int> sizes_;
  bool snapshot_;
  Input input_;
  Output& output_;
};

/// Directory of 6 + 16 bytes an entry, then the PNG files. All numbers are little-endian.
void IcoMuxer::add(const Frame& frame) {
  std::vector<std::uint8_t> file, pictures;
  put_le(file, 0, 2);
  put_le(file, 1, 2);  // an icon, not a cursor
  put_le(file, static_cast<std::uint32_t>(sizes_.size()), 2);
  for (const int size : sizes_) {
    const auto png = encode_png(resize_icon(frame.bytes, input_.width, input_.height, size), size);
    put_le(file, size == most_size ? 0 : static_cast<std::uint32_t>(size), 1);  // width
    put_le(file, size == most_size ? 0 : static_cast<std::uint32_t>(size), 1);  // height
    put_le(file, 0, 2);                                                         // no palette
    put_le(file, 1, 2);                                                         // planes
    put_le(file, 32, 2);                                                        // bits a pixel
    put_le(file, static_cast<std::uint32_t>(png.size()), 4);
    put_le(file, static_cast<std::uint32_t>(6 + 16 * sizes_.size() + pictures.size()), 4);
    pictures.insert(pictures.end(), png.begin(), png.end());
  }
  file.insert(file.end(), pictures.begin(), pictures.end());
  output_.push(std::move(file), frame.pts, frame.duration);
  if (snapshot_) output_.end();
}

}  // namespace
}  // namespace dit::plugin

#define GST_TYPE_DIT_ICO_MUX (gst_dit_ico_mux_get_type())
G_DECLARE_FINAL_TYPE(GstDitIcoMux, gst_dit_ico_mux, GST, DIT_ICO_MUX, GstDitEncoder)

struct _GstDitIcoMux {
  GstDitEncoder parent;
  gchar* sizes;  // object lock
  gboolean snapshot;
};

G_DEFINE_TYPE(GstDitIcoMux, gst_dit_ico_mux, GST_TYPE_DIT_ENCODER)

namespace {

enum : guint { prop_sizes = 1, prop_snapshot };

GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
                            GST_STATIC_CAPS("video/x-raw, format = (string) RGBA, width = (int) [ 1, 4096 ], "
                                            "height = (int) [ 1, 4096 ], framerate = (fraction) [ 0/1, max ]"));
GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("image/vnd.microsoft.icon"));

void* gst_dit_ico_mux_setting(GstDitEncoder* encoder, guint id) {
  auto* self = GST_DIT_ICO_MUX(encoder);
  if (id == prop_sizes) return &self->sizes;
  return id == prop_snapshot ? &self->snapshot : nullptr;
}

void gst_dit_ico_mux_finalize(GObject* object) {
  g_free(GST_DIT_ICO_MUX(object)->sizes);
  G_OBJECT_CLASS(gst_dit_ico_mux_parent_class)->finalize(object);
}

std::unique_ptr<dit::plugin::Encoder> gst_dit_ico_mux_open(GstDitEncoder* encoder, const dit::plugin::Input& input,
                                                           dit::plugin::Output& output) {
  auto* self = GST_DIT_ICO_MUX(encoder);
  GST_OBJECT_LOCK(self);
  const std::string sizes = self->sizes;
  const bool snapshot = self->snapshot != FALSE;
  GST_OBJECT_UNLOCK(self);
  return std::make_unique<dit::plugin::IcoMuxer>(sizes, snapshot, input, output);
}

}  // namespace

static void gst_dit_ico_mux_init(GstDitIcoMux* self) { self->sizes = g_strdup(dit::plugin::default_sizes); }

static void gst_dit_ico_mux_class_init(GstDitIcoMuxClass* klass) {
  auto* object_class = G_OBJECT_CLASS(klass);
  gst_dit_encoder_class_keep_settings(GST_DIT_ENCODER_CLASS(klass), gst_dit_ico_mux_setting);
  object_class->finalize = gst_dit_ico_mux_finalize;
  g_object_class_install_property(
      object_class, prop_sizes,
      g_param_spec_string("sizes", "Sizes", "Sides of the entries in pixels, 1 to 256, separated by commas",
                          dit::plugin::default_sizes, dit::plugin::encoder_property));
  g_object_class_install_property(
      object_class, prop_snapshot,
      g_param_spec_boolean("snapshot", "Snapshot",
                           "End the stream after one file; otherwise each frame becomes a file, one a buffer", FALSE,
                           dit::plugin::encoder_property));

  gst_dit_encoder_class_describe(GST_DIT_ENCODER_CLASS(klass), &sink_template, &src_template, "Icon file muxer",
                                 "Codec/Muxer", "Writes a frame as one .ico file with the icon in several sizes");
  GST_DIT_ENCODER_CLASS(klass)->open = gst_dit_ico_mux_open;
  GST_DIT_ENCODER_CLASS(klass)->frame_by_frame = true;
  GST_DIT_ENCODER_CLASS(klass)->timed_output = true;
}

gboolean gst_dit_ico_mux_register(GstPlugin* plugin) {
  return gst_element_register(plugin, "diticomux", GST_RANK_NONE, GST_TYPE_DIT_ICO_MUX);
}
