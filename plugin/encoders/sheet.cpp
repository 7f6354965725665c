// SPDX-License-Identifier: MIT
#include "plugin/encoders/sheet.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "plugin/encoders/encoder.h"

namespace dit::plugin {
namespace {

constexpr std::uint64_t most_side = 32767;  // what most elements and viewers take
constexpr std::uint64_t most_bytes = std::uint64_t{1} << 30;

struct SheetSettings {
  guint columns;  ///< 0 = as many as rows
  guint frames;   ///< 0 = all
  guint spacing;
  guint background;  ///< 0xAARRGGBB
};

class SheetMaker final : public Encoder {
 public:
  SheetMaker(const SheetSettings& settings, const Input& input, Output& output)
      : settings_(settings), input_(input), output_(output) {}
  void add(const Frame& frame) override;
  void finish() override {
    if (count_ > 0) send();
  }

 private:
  struct Layout {
    std::uint64_t columns, rows, width, height;
  };
  Layout layout(std::uint64_t count) const;
  void send();

  SheetSettings settings_;
  Input input_;
  Output& output_;
  std::vector<std::uint8_t> pictures_;  ///< one after the other
  std::uint64_t count_ = 0;
  Layout sent_{};
  GstClockTime pts_ = GST_CLOCK_TIME_NONE, duration_ = 0;
};

SheetMaker::Layout SheetMaker::layout(std::uint64_t count) const {
  std::uint64_t columns = settings_.columns;
  if (columns == 0) columns = static_cast<std::uint64_t>(std::ceil(std::sqrt(static_cast<double>(count))));
  // A sheet that is sent when it is full has one size, so that a last one that is not can follow it.
  if (settings_.frames == 0) columns = std::min(columns, count);
  const std::uint64_t rows = (count + columns - 1) / columns;
  const std::uint64_t gap = settings_.spacing;
  return {columns, rows, columns * (static_cast<std::uint64_t>(input_.width) + gap) + gap,
          rows * (static_cast<std::uint64_t>(input_.height) + gap) + gap};
}

void SheetMaker::add(const Frame& frame) {
  const std::uint64_t planned = std::max<std::uint64_t>(count_ + 1, settings_.frames);
  const Layout page = layout(planned);
  expect_frame(page.width <= most_side && page.height <= most_side && page.width * page.height * 4 <= most_bytes,
               "frame {}: a sheet of {} frames of {}x{} is {}x{}, expected at most {} a side and {} MiB; set 'frames'",
               frame.number, planned, input_.width, input_.height, page.width, page.height, most_side,
               most_bytes >> 20);
  if (count_ == 0) {
    pts_ = frame.pts;
    duration_ = 0;
  }
  pictures_.insert(pictures_.end(), frame.bytes.begin(), frame.bytes.end());
  // From the first frame's start to the last one's end, over whatever was left out between them.
  duration_ += frame.duration;
  if (GST_CLOCK_TIME_IS_VALID(pts_) && GST_CLOCK_TIME_IS_VALID(frame.pts) && frame.pts > pts_ &&
      frame.pts - pts_ <= GST_CLOCK_TIME_NONE / 2) {
    duration_ = std::max(duration_, frame.pts - pts_ + frame.duration);
  }
  ++count_;
  if (count_ == settings_.frames) send();
}

void SheetMaker::send() {
  const Layout page = layout(std::max<std::uint64_t>(count_, settings_.frames));
  if (page.width != sent_.width || page.height != sent_.height) {
    output_.set_caps(gst_caps_new_simple("video/x-raw", "format", G_TYPE_STRING, "RGBA", "width", G_TYPE_INT,
                                         static_cast<int>(page.width), "height", G_TYPE_INT,
                                         static_cast<int>(page.height), "framerate", GST_TYPE_FRACTION, 0, 1,
                                         "pixel-aspect-ratio", GST_TYPE_FRACTION, 1, 1, "interlace-mode", G_TYPE_STRING,
                                         "progressive", "colorimetry", G_TYPE_STRING, "sRGB", nullptr));
    sent_ = page;
  }
  const std::uint32_t argb = settings_.background;
  const std::uint8_t rgba[] = {static_cast<std::uint8_t>(argb >> 16), static_cast<std::uint8_t>(argb >> 8),
                               static_cast<std::uint8_t>(argb), static_cast<std::uint8_t>(argb >> 24)};
  std::vector<std::uint8_t> sheet(page.width * page.height * 4);
  for (std::size_t i = 0; i < sheet.size(); ++i) sheet[i] = rgba[i % 4];
  const auto width = static_cast<std::size_t>(input_.width);
  const auto height = static_cast<std::size_t>(input_.height);
  for (std::uint64_t k = 0; k < count_; ++k) {
    const std::uint64_t x0 = settings_.spacing + k % page.columns * (width + settings_.spacing);
    const std::uint64_t y0 = settings_.spacing + k / page.columns * (height + settings_.spacing);
    for (std::size_t y = 0; y < height; ++y) {
      std::memcpy(&sheet[((y0 + y) * page.width + x0) * 4], &pictures_[(k * height + y) * width * 4], width * 4);
    }
  }
  pictures_.clear();
  count_ = 0;
  output_.push(std::move(sheet), pts_, duration_);
}

}  // namespace
}  // namespace dit::plugin

#define GST_TYPE_DIT_SHEET (gst_dit_sheet_get_type())
G_DECLARE_FINAL_TYPE(GstDitSheet, gst_dit_sheet, GST, DIT_SHEET, GstDitEncoder)

struct _GstDitSheet {
  GstDitEncoder parent;
  dit::plugin::SheetSettings settings;  // object lock
};

G_DEFINE_TYPE(GstDitSheet, gst_dit_sheet, GST_TYPE_DIT_ENCODER)

namespace {

enum : guint { prop_columns = 1, prop_frames, prop_spacing, prop_background };

GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
                            GST_STATIC_CAPS("video/x-raw, format = (string) RGBA, width = (int) [ 1, 32767 ], "
                                            "height = (int) [ 1, 32767 ], framerate = (fraction) [ 0/1, max ]"));
GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS,
                            GST_STATIC_CAPS("video/x-raw, format = (string) RGBA, width = (int) [ 1, 32767 ], "
                                            "height = (int) [ 1, 32767 ], framerate = (fraction) 0/1"));

void* gst_dit_sheet_setting(GstDitEncoder* self, guint id) {
  auto& settings = GST_DIT_SHEET(self)->settings;
  switch (id) {
    case prop_columns:
      return &settings.columns;
    case prop_frames:
      return &settings.frames;
    case prop_spacing:
      return &settings.spacing;
    case prop_background:
      return &settings.background;
    default:
      return nullptr;
  }
}

void install_number(GObjectClass* c, guint id, const char* name, const char* nick, const char* blurb, guint most) {
  g_object_class_install_property(c, id,
                                  g_param_spec_uint(name, nick, blurb, 0, most, 0, dit::plugin::encoder_property));
}

}  // namespace

static void gst_dit_sheet_init(GstDitSheet*) {}

static void gst_dit_sheet_class_init(GstDitSheetClass* klass) {
  auto* object_class = G_OBJECT_CLASS(klass);
  gst_dit_encoder_class_keep_settings(GST_DIT_ENCODER_CLASS(klass), gst_dit_sheet_setting);
  install_number(object_class, prop_columns, "columns", "Columns", "Frames in a row; 0 = as many as there are rows",
                 32767);
  install_number(object_class, prop_frames, "frames", "Frames",
                 "Frames on a sheet, which is sent when they are there; 0 = all, sent at the end of the stream",
                 1 << 28);
  install_number(object_class, prop_spacing, "spacing", "Spacing", "Pixels around and between frames", 1024);
  install_number(object_class, prop_background, "background", "Background",
                 "Colour of what no frame covers, as 0xAARRGGBB; frames keep their transparency", G_MAXUINT32);

  gst_dit_encoder_class_describe(GST_DIT_ENCODER_CLASS(klass), &sink_template, &src_template, "Contact sheet",
                                 "Filter/Converter/Video", "Shows several frames side by side on one");
  GST_DIT_ENCODER_CLASS(klass)->open = dit::plugin::open_encoder<dit::plugin::SheetMaker, GstDitSheet>;
  GST_DIT_ENCODER_CLASS(klass)->timed_output = true;
}

gboolean gst_dit_sheet_register(GstPlugin* plugin) {
  return gst_element_register(plugin, "ditsheet", GST_RANK_NONE, GST_TYPE_DIT_SHEET);
}
