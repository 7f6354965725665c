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

/// What an entry is. gdk-pixbuf, which shows icons on GNOME, and Windows before Vista read BMP only; 256 pixels as BMP
/// are 270 KB, and nobody expects them.
enum class Entry : int { automatic, bmp, png };

/// A BMP file without its file header (BITMAPINFOHEADER, then BGRA from the bottom row up), then the mask: a bit a
/// pixel, 1 where nothing is, rows of whole 32 bits. The header's height is that of both.
std::vector<std::uint8_t> encode_bmp(const std::vector<std::uint8_t>& rgba, int size) {
  const auto side = static_cast<std::size_t>(size);
  const std::size_t mask_row = (side + 31) / 32 * 4;
  std::vector<std::uint8_t> bytes;
  put_le(bytes, 40, 4);
  put_le(bytes, static_cast<std::uint32_t>(size), 4);
  put_le(bytes, static_cast<std::uint32_t>(2 * size), 4);
  put_le(bytes, 1, 2);   // planes
  put_le(bytes, 32, 2);  // bits a pixel
  put_le(bytes, 0, 4);   // not compressed
  put_le(bytes, static_cast<std::uint32_t>(side * side * 4 + side * mask_row), 4);
  for (int i = 0; i < 4; ++i) put_le(bytes, 0, 4);  // resolution, palette
  for (std::size_t y = side; y-- > 0;) {
    for (std::size_t x = 0; x < side; ++x) {
      const std::uint8_t* pixel = &rgba[(y * side + x) * 4];
      bytes.insert(bytes.end(), {pixel[2], pixel[1], pixel[0], pixel[3]});
    }
  }
  for (std::size_t y = side; y-- > 0;) {
    std::vector<std::uint8_t> row(mask_row);
    for (std::size_t x = 0; x < side; ++x) {
      if (rgba[(y * side + x) * 4 + 3] == 0) row[x / 8] = static_cast<std::uint8_t>(row[x / 8] | 0x80 >> x % 8);
    }
    bytes.insert(bytes.end(), row.begin(), row.end());
  }
  return bytes;
}

class IcoMuxer final : public Encoder {
 public:
  IcoMuxer(const std::string& sizes, Entry entry, bool snapshot, const Input& input, Output& output)
      : sizes_(parse_sizes(sizes)), entry_(entry), snapshot_(snapshot), input_(input), output_(output) {
    output_.set_caps(gst_caps_new_empty_simple("image/vnd.microsoft.icon"));
  }
  void add(const Frame& frame) override;
  void finish() override {}

 private:
  std::vector<std::uint8_t> encode(const std::vector<std::uint8_t>& rgba, int size) const {
    const bool png = entry_ == Entry::png || (entry_ == Entry::automatic && size == most_size);
    return png ? encode_png(rgba, size) : encode_bmp(rgba, size);
  }

  std::vector<int> sizes_;
  Entry entry_;
  bool snapshot_;
  Input input_;
  Output& output_;
};

/// Directory of 6 + 16 bytes an entry, then the pictures. All numbers are little-endian.
void IcoMuxer::add(const Frame& frame) {
  std::vector<std::uint8_t> file, pictures;
  put_le(file, 0, 2);
  put_le(file, 1, 2);  // an icon, not a cursor
  put_le(file, static_cast<std::uint32_t>(sizes_.size()), 2);
  for (const int size : sizes_) {
    const auto picture = encode(resize_icon(frame.bytes, input_.width, input_.height, size), size);
    put_le(file, size == most_size ? 0 : static_cast<std::uint32_t>(size), 1);  // width
    put_le(file, size == most_size ? 0 : static_cast<std::uint32_t>(size), 1);  // height
    put_le(file, 0, 2);                                                         // no palette
    put_le(file, 1, 2);                                                         // planes
    put_le(file, 32, 2);                                                        // bits a pixel
    put_le(file, static_cast<std::uint32_t>(picture.size()), 4);
    put_le(file, static_cast<std::uint32_t>(6 + 16 * sizes_.size() + pictures.size()), 4);
    pictures.insert(pictures.end(), picture.begin(), picture.end());
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
  gint entry_format;
  gboolean snapshot;
};

G_DEFINE_TYPE(GstDitIcoMux, gst_dit_ico_mux, GST_TYPE_DIT_ENCODER)

namespace {

enum : guint { prop_sizes = 1, prop_snapshot, prop_entry_format };

GType entry_format_type() {
  using dit::plugin::Entry;
  static const GEnumValue values[] = {
      {static_cast<int>(Entry::automatic), "BMP with a mask below 256 pixels, PNG at 256", "auto"},
      {static_cast<int>(Entry::bmp), "BMP with a mask", "bmp"},
      {static_cast<int>(Entry::png), "PNG, smaller, but not for every viewer", "png"},
      {0, nullptr, nullptr},
  };
  static const GType type = g_enum_register_static("GstDitIcoMuxEntryFormat", values);
  return type;
}

GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
                            GST_STATIC_CAPS("video/x-raw, format = (string) RGBA, width = (int) [ 1, 4096 ], "
                                            "height = (int) [ 1, 4096 ], framerate = (fraction) [ 0/1, max ]"));
GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("image/vnd.microsoft.icon"));

void* gst_dit_ico_mux_setting(GstDitEncoder* encoder, guint id) {
  auto* self = GST_DIT_ICO_MUX(encoder);
  if (id == prop_sizes) return &self->sizes;
  if (id == prop_entry_format) return &self->entry_format;
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
  const auto entry = static_cast<dit::plugin::Entry>(self->entry_format);
  GST_OBJECT_UNLOCK(self);
  return std::make_unique<dit::plugin::IcoMuxer>(sizes, entry, snapshot, input, output);
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

  g_object_class_install_property(object_class, prop_entry_format,
                                  g_param_spec_enum("entry-format", "Entry format", "What the entries are",
                                                    entry_format_type(), 0, dit::plugin::encoder_property));
  gst_type_mark_as_plugin_api(entry_format_type(), static_cast<GstPluginAPIFlags>(0));

  gst_dit_encoder_class_describe(GST_DIT_ENCODER_CLASS(klass), &sink_template, &src_template, "Icon file muxer",
                                 "Codec/Muxer", "Writes a frame as one .ico file with the icon in several sizes");
  GST_DIT_ENCODER_CLASS(klass)->open = gst_dit_ico_mux_open;
  GST_DIT_ENCODER_CLASS(klass)->frame_by_frame = true;
  GST_DIT_ENCODER_CLASS(klass)->timed_output = true;
}

gboolean gst_dit_ico_mux_register(GstPlugin* plugin) {
  return gst_element_register(plugin, "diticomux", GST_RANK_NONE, GST_TYPE_DIT_ICO_MUX);
}
