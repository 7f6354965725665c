// SPDX-License-Identifier: MIT
#include "plugin/encoders/gifenc.h"

#include <gif_lib.h>

#include <algorithm>
#include <array>

#include "plugin/encoders/encoder.h"
#include "plugin/encoders/palette.h"

namespace dit::plugin {
namespace {

constexpr GstClockTime centisecond = 10 * GST_MSECOND;
constexpr std::uint64_t most_cs = 0xffff;

struct GifSettings {
  guint alpha_threshold;
  guint loop_count;
};

/// Closing writes the trailer into whatever bytes are left; an unfinished file's go nowhere.
struct CloseGif {
  void operator()(GifFileType* gif) const noexcept { EGifCloseFile(gif, nullptr); }
};

struct FreeMap {
  void operator()(ColorMapObject* map) const noexcept { GifFreeMapObject(map); }
};

std::unique_ptr<ColorMapObject, FreeMap> colour_map(const Paletted& picture) {
  int size = 2;
  while (static_cast<std::size_t>(size) < picture.colours.size()) size *= 2;
  std::vector<GifColorType> colours(static_cast<std::size_t>(size), GifColorType{0, 0, 0});
  const auto entry = [](const auto& rgb) { return GifColorType{rgb[0], rgb[1], rgb[2]}; };
  std::ranges::transform(picture.colours, colours.begin(), entry);
  return std::unique_ptr<ColorMapObject, FreeMap>(GifMakeMapObject(size, colours.data()));
}

/// Each frame is whole, with a palette of its own, and is cleared before the next: holes stay holes.
class GifEncoder final : public Encoder {
 public:
  GifEncoder(const GifSettings& settings, const Input& input, Output& output);
  /// The head of the file goes out at once, so that a sink has something to preroll with.
  void announce(std::span<const std::uint8_t>, std::uint64_t number) override {
    if (number > 0) return;
    begin();
    send();
  }
  void add(const Frame& frame) override;
  void finish() override;

 private:
  void begin();
  void put_control(std::uint64_t length_cs, const std::optional<std::uint8_t>& transparent);
  void check(int status) const {
    expect_frame(status == GIF_OK, "giflib says {}", GifErrorString(gif_->Error) ? GifErrorString(gif_->Error) : "?");
  }
  void send() {
    output_.push(std::move(bytes_));
    bytes_.clear();
  }

  GifSettings settings_;
  Input input_;
  Output& output_;
  std::vector<std::uint8_t> bytes_;  ///< not yet sent; outlives gif_, which writes into it
  std::unique_ptr<GifFileType, CloseGif> gif_;
  ShortFrames short_frames_{"show those of a GIF for 100 ms"};
};

GifEncoder::GifEncoder(const GifSettings& settings, const Input& input, Output& output)
    : settings_(settings), input_(input), output_(output) {
  int error = 0;
  const OutputFunc write = [](GifFileType* gif, const GifByteType* data, int size) {
    auto* bytes = static_cast<std::vector<std::uint8_t>*>(gif->UserData);
    bytes->insert(bytes->end(), data, data + size);
    return size;
  };
  gif_.reset(EGifOpen(&bytes_, write, &error));
  expect_frame(gif_ != nullptr, "giflib says {}", GifErrorString(error));
  output_.set_caps(
      gst_caps_new_simple("image/gif", "width", G_TYPE_INT, input.width, "height", G_TYPE_INT, input.height, nullptr));
}

void GifEncoder::begin() {
  EGifSetGifVersion(gif_.get(), true);
  check(EGifPutScreenDesc(gif_.get(), input_.width, input_.height, 8, 0, nullptr));
  // Without the extension a file is played once. Its count is of repetitions after the first time; 0 = for ever.
  if (settings_.loop_count == 1) return;
  const unsigned again = settings_.loop_count == 0 ? 0 : settings_.loop_count - 1;
  const std::array<GifByteType, 3> loop = {1, static_cast<GifByteType>(again), static_cast<GifByteType>(again >> 8)};
  check(EGifPutExtensionLeader(gif_.get(), APPLICATION_EXT_FUNC_CODE));
  check(EGifPutExtensionBlock(gif_.get(), 11, "NETSCAPE2.0"));
  check(EGifPutExtensionBlock(gif_.get(), static_cast<int>(loop.size()), loop.data()));
  check(EGifPutExtensionTrailer(gif_.get()));
}

void GifEncoder::put_control(std::uint64_t length_cs, const std::optional<std::uint8_t>& transparent) {
  const GraphicsControlBlock control = {.DisposalMode = DISPOSE_BACKGROUND,
                                        .UserInputFlag = false,
                                        .DelayTime = static_cast<int>(length_cs),
                                        .TransparentColor = transparent ? *transparent : NO_TRANSPARENT_COLOR};
  std::array<GifByteType, 4> bytes{};
  EGifGCBToExtension(&control, bytes.data());
  check(EGifPutExtension(gif_.get(), GRAPHICS_EXT_FUNC_CODE, static_cast<int>(bytes.size()), bytes.data()));
}

void GifEncoder::add(const Frame& frame) {
  const std::uint64_t length_cs = frame.length_in(centisecond);
  expect_frame(length_cs <= most_cs, "frame {}: lasts {} cs, and GIF knows at most {}", frame.number, length_cs,
               most_cs);
  short_frames_.check(frame, length_cs, centisecond, output_);
  Paletted picture = make_palette(frame.bytes, settings_.alpha_threshold);
  const auto map = colour_map(picture);
  expect_frame(map != nullptr, "giflib: out of memory for a palette");
  put_control(length_cs, picture.transparent);
  check(EGifPutImageDesc(gif_.get(), 0, 0, input_.width, input_.height, false, map.get()));
  for (int y = 0; y < input_.height; ++y) {
    check(EGifPutLine(gif_.get(), &picture.indices[static_cast<std::size_t>(y) * input_.width], input_.width));
  }
  send();
}

void GifEncoder::finish() {
  GifFileType* gif = gif_.release();
  int error = 0;
  expect_frame(EGifCloseFile(gif, &error) == GIF_OK, "giflib says {}", GifErrorString(error));
  send();
}

}  // namespace
}  // namespace dit::plugin

#define GST_TYPE_DIT_GIF_ENC (gst_dit_gif_enc_get_type())
G_DECLARE_FINAL_TYPE(GstDitGifEnc, gst_dit_gif_enc, GST, DIT_GIF_ENC, GstDitEncoder)

struct _GstDitGifEnc {
  GstDitEncoder parent;
  dit::plugin::GifSettings settings;  // object lock
};

G_DEFINE_TYPE(GstDitGifEnc, gst_dit_gif_enc, GST_TYPE_DIT_ENCODER)

namespace {

enum : guint { prop_alpha_threshold = 1, prop_loop_count };

GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
                            GST_STATIC_CAPS("video/x-raw, format = (string) RGBA, width = (int) [ 1, 65535 ], "
                                            "height = (int) [ 1, 65535 ], framerate = (fraction) [ 0/1, max ]"));
GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("image/gif"));

void* gst_dit_gif_enc_setting(GstDitEncoder* self, guint id) {
  auto& settings = GST_DIT_GIF_ENC(self)->settings;
  if (id == prop_alpha_threshold) return &settings.alpha_threshold;
  return id == prop_loop_count ? &settings.loop_count : nullptr;
}

}  // namespace

static void gst_dit_gif_enc_init(GstDitGifEnc* self) { self->settings = {128, 0}; }

static void gst_dit_gif_enc_class_init(GstDitGifEncClass* klass) {
  auto* object_class = G_OBJECT_CLASS(klass);
  gst_dit_encoder_class_keep_settings(GST_DIT_ENCODER_CLASS(klass), gst_dit_gif_enc_setting);
  g_object_class_install_property(
      object_class, prop_alpha_threshold,
      g_param_spec_uint("alpha-threshold", "Alpha threshold",
                        "Pixels of less alpha are transparent, all others opaque; 0 = none is transparent", 0, 256, 128,
                        dit::plugin::encoder_property));
  dit::plugin::install_loop_count(object_class, prop_loop_count, G_MAXUINT16);

  gst_dit_encoder_class_describe(GST_DIT_ENCODER_CLASS(klass), &sink_template, &src_template, "Animated GIF encoder",
                                 "Codec/Encoder/Image",
                                 "Writes frames as one animated GIF file, a palette of 256 colours a frame");
  GST_DIT_ENCODER_CLASS(klass)->open = dit::plugin::open_encoder<dit::plugin::GifEncoder, GstDitGifEnc>;
  GST_DIT_ENCODER_CLASS(klass)->lasts_until_next = true;
}

gboolean gst_dit_gif_enc_register(GstPlugin* plugin) {
  return gst_element_register(plugin, "ditgifenc", GST_RANK_NONE, GST_TYPE_DIT_GIF_ENC);
}
