// SPDX-License-Identifier: MIT
#include "plugin/encoders/webpenc.h"

#include <webp/encode.h>
#include <webp/mux.h>

#include "plugin/encoders/encoder.h"

namespace dit::plugin {
namespace {

constexpr std::uint64_t most_ms = (1 << 24) - 1;  // a frame's duration has 24 bits

struct WebpSettings {
  gboolean lossless;
  gdouble quality;
  gint method;
  guint loop_count;
};

struct DeleteEncoder {
  void operator()(WebPAnimEncoder* encoder) const noexcept { WebPAnimEncoderDelete(encoder); }
};

/// Frames are held compressed: the file's first bytes say how long it is.
class WebpEncoder final : public Encoder {
 public:
  WebpEncoder(const WebpSettings& settings, const Input& input, Output& output);
  void add(const Frame& frame) override;
  void finish() override;

 private:
  Input input_;
  Output& output_;
  WebPConfig config_;
  std::unique_ptr<WebPAnimEncoder, DeleteEncoder> encoder_;
  int end_ms_ = 0;
  ShortFrames short_frames_{"may show those of a WebP for 100 ms"};
};

WebpEncoder::WebpEncoder(const WebpSettings& settings, const Input& input, Output& output)
    : input_(input), output_(output) {
  WebPAnimEncoderOptions options;
  expect_frame(WebPAnimEncoderOptionsInit(&options) && WebPConfigInit(&config_),
               "libwebp: other version than built for");
  options.anim_params.loop_count = static_cast<int>(settings.loop_count);
  options.anim_params.bgcolor = 0;  // transparent
  config_.lossless = settings.lossless;
  config_.quality = static_cast<float>(settings.quality);
  config_.method = settings.method;
  config_.exact = 1;  // colours under full transparency stay as they are
  expect_frame(WebPValidateConfig(&config_), "libwebp refuses quality {} with method {}", settings.quality,
               settings.method);
  encoder_.reset(WebPAnimEncoderNew(input.width, input.height, &options));
  expect_frame(encoder_ != nullptr, "libwebp: out of memory for {}x{}", input.width, input.height);
  output_.set_caps(
      gst_caps_new_simple("image/webp", "width", G_TYPE_INT, input.width, "height", G_TYPE_INT, input.height, nullptr));
}

void WebpEncoder::add(const Frame& frame) {
  const std::uint64_t ms = frame.length_in(GST_MSECOND);
  expect_frame(ms <= most_ms, "frame {}: lasts {} ms, and WebP knows at most {}", frame.number, ms, most_ms);
  short_frames_.check(frame, ms, GST_MSECOND, output_);
  WebPPicture picture;
  expect_frame(WebPPictureInit(&picture), "libwebp: other version than built for");
  const std::unique_ptr<WebPPicture, decltype(&WebPPictureFree)> owned(&picture, WebPPictureFree);
  picture.use_argb = 1;
  picture.width = input_.width;
  picture.height = input_.height;
  expect_frame(WebPPictureImportRGBA(&picture, frame.bytes.data(), input_.width * 4), "frame {}: out of memory",
               frame.number);
  const std::uint64_t end = static_cast<std::uint64_t>(end_ms_) + ms;
  expect_frame(end <= G_MAXINT, "frame {}: the animation passes {} ms, all that libwebp counts", frame.number,
               G_MAXINT);
  expect_frame(WebPAnimEncoderAdd(encoder_.get(), &picture, end_ms_, &config_), "frame {}: libwebp says {}",
               frame.number, WebPAnimEncoderGetError(encoder_.get()));
  end_ms_ = static_cast<int>(end);
}

void WebpEncoder::finish() {
  WebPData data;
  WebPDataInit(&data);
  const std::unique_ptr<WebPData, decltype(&WebPDataClear)> owned(&data, WebPDataClear);
  expect_frame(
      WebPAnimEncoderAdd(encoder_.get(), nullptr, end_ms_, nullptr) && WebPAnimEncoderAssemble(encoder_.get(), &data),
      "libwebp says {}", WebPAnimEncoderGetError(encoder_.get()));
  output_.push({data.bytes, data.bytes + data.size});
}

}  // namespace
}  // namespace dit::plugin

using dit::plugin::encoder_property;

#define GST_TYPE_DIT_WEBP_ENC (gst_dit_webp_enc_get_type())
G_DECLARE_FINAL_TYPE(GstDitWebpEnc, gst_dit_webp_enc, GST, DIT_WEBP_ENC, GstDitEncoder)

struct _GstDitWebpEnc {
  GstDitEncoder parent;
  dit::plugin::WebpSettings settings;  // object lock
};

G_DEFINE_TYPE(GstDitWebpEnc, gst_dit_webp_enc, GST_TYPE_DIT_ENCODER)

namespace {

enum : guint { prop_lossless = 1, prop_quality, prop_method, prop_loop_count };

GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
                            GST_STATIC_CAPS("video/x-raw, format = (string) RGBA, width = (int) [ 1, 16383 ], "
                                            "height = (int) [ 1, 16383 ], framerate = (fraction) [ 0/1, max ]"));
GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("image/webp"));

void* gst_dit_webp_enc_setting(GstDitEncoder* self, guint id) {
  auto& settings = GST_DIT_WEBP_ENC(self)->settings;
  switch (id) {
    case prop_lossless:
      return &settings.lossless;
    case prop_quality:
      return &settings.quality;
    case prop_method:
      return &settings.method;
    case prop_loop_count:
      return &settings.loop_count;
    default:
      return nullptr;
  }
}

}  // namespace

static void gst_dit_webp_enc_init(GstDitWebpEnc* self) { self->settings = {TRUE, 75, 4, 0}; }

static void gst_dit_webp_enc_class_init(GstDitWebpEncClass* klass) {
  auto* object_class = G_OBJECT_CLASS(klass);
  gst_dit_encoder_class_keep_settings(GST_DIT_ENCODER_CLASS(klass), gst_dit_webp_enc_setting);
  g_object_class_install_property(
      object_class, prop_lossless,
      g_param_spec_boolean("lossless", "Lossless", "Every pixel as it came; otherwise as near as quality says", TRUE,
                           encoder_property));
  g_object_class_install_property(
      object_class, prop_quality,
      g_param_spec_double("quality", "Quality", "Lossy: 100 is best and largest. Lossless: 100 is smallest and slowest",
                          0, 100, 75, encoder_property));
  g_object_class_install_property(
      object_class, prop_method,
      g_param_spec_int("method", "Method", "Work spent on size: 0 is fastest, 6 is smallest", 0, 6, 4,
                       encoder_property));
  dit::plugin::install_loop_count(object_class, prop_loop_count, G_MAXUINT16);

  gst_dit_encoder_class_describe(GST_DIT_ENCODER_CLASS(klass), &sink_template, &src_template, "Animated WebP encoder",
                                 "Codec/Encoder/Image", "Writes frames with transparency as one animated WebP file");
  GST_DIT_ENCODER_CLASS(klass)->open = dit::plugin::open_encoder<dit::plugin::WebpEncoder, GstDitWebpEnc>;
  GST_DIT_ENCODER_CLASS(klass)->lasts_until_next = true;
}

gboolean gst_dit_webp_enc_register(GstPlugin* plugin) {
  return gst_element_register(plugin, "ditwebpenc", GST_RANK_NONE, GST_TYPE_DIT_WEBP_ENC);
}
