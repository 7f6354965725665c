// SPDX-License-Identifier: MIT
#include "plugin/encoders/apngmux.h"

#include <algorithm>

#include "plugin/encoders/encoder.h"
#include "plugin/encoders/png_chunks.h"

namespace dit::plugin {
namespace {

constexpr std::uint64_t most_u16 = 0xffff;

struct ApngSettings {
  guint loop_count;
};

/// A frame's delay as numerator and denominator, in seconds.
struct Delay {
  std::uint32_t over, under;
};

/// Exact if the frame lasts what the frame rate says; else to the millisecond, and coarser for what lasts long.
Delay delay_of(const Frame& frame, const Input& input) {
  const auto n = static_cast<std::uint64_t>(input.fps_n);
  const auto d = static_cast<std::uint64_t>(input.fps_d);
  if (n > 0 && n <= most_u16 && d <= most_u16) {
    const std::uint64_t exact = d * GST_SECOND / n;
    // Durations on a grid differ by one where pts are rounded.
    if (frame.duration >= exact && frame.duration <= exact + 1) {
      return {static_cast<std::uint32_t>(d), static_cast<std::uint32_t>(n)};
    }
  }
  for (std::uint32_t under = 1000; under > 0; under /= 10) {
    const std::uint64_t over = frame.length_in(GST_SECOND / under);
    if (over <= most_u16) return {static_cast<std::uint32_t>(over), under};
  }
  throw EncodeError(fmt::format("frame {}: lasts {} s, and APNG knows at most {}", frame.number,
                                frame.duration / GST_SECOND, most_u16));
}

/// Source: "APNG Specification 1.0" (PNG third edition, 4.9 and 11.3.6). The count of frames stands before them. Where
/// the file can be rewritten the bytes go out at once and the count follows at the end; elsewhere all are held.
class ApngMuxer final : public Encoder {
 public:
  ApngMuxer(const ApngSettings& settings, const Input& input, Output& output)
      : plays_(settings.loop_count), input_(input), output_(output), rewritable_(output.can_rewrite()) {
    output_.set_caps(gst_caps_new_empty_simple("image/apng"));
  }
  void announce(std::span<const std::uint8_t> bytes, std::uint64_t number) override { read(bytes, number); }
  void add(const Frame& frame) override;
  void finish() override;

 private:
  /// The chunks of a frame that fits to those before it.
  std::vector<PngChunk> read(std::span<const std::uint8_t> bytes, std::uint64_t number) const;
  void put_head(const std::vector<PngChunk>& chunks);
  void check_same(const std::vector<PngChunk>& chunks, const std::string& name) const;
  void put_frame_control(const Frame& frame);
  Bytes animation_control() const;
  void send();

  std::uint32_t plays_;
  Input input_;
  Output& output_;
  bool rewritable_;
  Bytes bytes_;  ///< not yet sent
  Bytes header_, palette_, transparency_;
  std::size_t control_at_ = 0;  ///< of acTL in the file
  std::uint32_t frames_ = 0, sequence_ = 0;
  ShortFrames short_frames_{"may show those of an animated PNG for 100 ms"};
};

/// The data of a chunk, empty if there is none.
std::span<const std::uint8_t> find(const std::vector<PngChunk>& chunks, std::string_view type) {
  const auto found = std::find_if(chunks.begin(), chunks.end(), [&](const PngChunk& c) { return c.type == type; });
  return found == chunks.end() ? std::span<const std::uint8_t>() : found->data;
}

Bytes ApngMuxer::animation_control() const {
  Bytes data;
  put_u32(data, std::max(frames_, 1u));
  put_u32(data, plays_);
  Bytes chunk;
  put_chunk(chunk, "acTL", data);
  return chunk;
}

void ApngMuxer::put_head(const std::vector<PngChunk>& chunks) {
  const auto copy = [&](std::string_view type) {
    const auto data = find(chunks, type);
    return Bytes(data.begin(), data.end());
  };
  header_ = copy("IHDR");
  palette_ = copy("PLTE");
  transparency_ = copy("tRNS");
  put_png_signature(bytes_);
  put_chunk(bytes_, "IHDR", header_);
  control_at_ = bytes_.size();
  const Bytes control = animation_control();
  bytes_.insert(bytes_.end(), control.begin(), control.end());
  for (const PngChunk& chunk : std::span(chunks).subspan(1)) {
    if (chunk.type == "IDAT") break;
    if (chunk.type == "acTL" || chunk.type == "fcTL")
      continue;  // of an animation that came in: its first picture counts
    put_chunk(bytes_, chunk.type, chunk.data);
  }
}

void ApngMuxer::check_same(const std::vector<PngChunk>& chunks, const std::string& name) const {
  const std::pair<std::string_view, const Bytes*> same[] = {
      {"IHDR", &header_}, {"PLTE", &palette_}, {"tRNS", &transparency_}};
  for (const auto& [type, wanted] : same) {
    const auto data = find(chunks, type);
    expect_frame(std::equal(data.begin(), data.end(), wanted->begin(), wanted->end()),
                 "{}: expected the first frame's {}, found another{}", name, type,
                 type == "IHDR" ? " (size, depth, colour type or interlacing)" : "");
  }
}

void ApngMuxer::put_frame_control(const Frame& frame) {
  short_frames_.check(frame, frame.duration, 1, output_);
  const Delay delay = delay_of(frame, input_);
  Bytes data;
  put_u32(data, sequence_++);
  data.insert(data.end(), header_.begin(), header_.begin() + 8);  // width, height
  put_u32(data, 0);                                               // left
  put_u32(data, 0);                                               // top
  put_u16(data, delay.over);
  put_u16(data, delay.under);
  data.push_back(0);  // afterwards: leave the picture
  data.push_back(0);  // replaces what was there, alpha too
  put_chunk(bytes_, "fcTL", data);
}

void ApngMuxer::send() {
  output_.push(std::move(bytes_));
  bytes_.clear();
}

std::vector<PngChunk> ApngMuxer::read(std::span<const std::uint8_t> bytes, std::uint64_t number) const {
  const std::string name = fmt::format("frame {}", number);
  std::vector<PngChunk> chunks = parse_png(bytes, name);
  expect_frame(!find(chunks, "IDAT").empty(), "{}: expected pixels, found no chunk IDAT", name);
  if (frames_ > 0) check_same(chunks, name);
  return chunks;
}

void ApngMuxer::add(const Frame& frame) {
  const std::vector<PngChunk> chunks = read(frame.bytes, frame.number);
  if (frames_ == 0) put_head(chunks);
  put_frame_control(frame);
  for (const PngChunk& chunk : chunks) {
    if (chunk.type != "IDAT") continue;
    if (frames_ == 0) {
      put_chunk(bytes_, "IDAT", chunk.data);
      continue;
    }
    Bytes data;
    put_u32(data, sequence_++);
    data.insert(data.end(), chunk.data.begin(), chunk.data.end());
    put_chunk(bytes_, "fdAT", data);
  }
  ++frames_;
  if (rewritable_) send();
}

void ApngMuxer::finish() {
  put_chunk(bytes_, "IEND", {});
  const Bytes control = animation_control();
  if (!rewritable_) {
    std::copy(control.begin(), control.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(control_at_));
    return send();
  }
  send();
  output_.rewrite(control_at_, control);
}

}  // namespace
}  // namespace dit::plugin

#define GST_TYPE_DIT_APNG_MUX (gst_dit_apng_mux_get_type())
G_DECLARE_FINAL_TYPE(GstDitApngMux, gst_dit_apng_mux, GST, DIT_APNG_MUX, GstDitEncoder)

struct _GstDitApngMux {
  GstDitEncoder parent;
  dit::plugin::ApngSettings settings;  // object lock
};

G_DEFINE_TYPE(GstDitApngMux, gst_dit_apng_mux, GST_TYPE_DIT_ENCODER)

namespace {

enum : guint { prop_loop_count = 1 };

GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS("image/png"));
GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("image/apng"));

void* gst_dit_apng_mux_setting(GstDitEncoder* self, guint id) {
  return id == prop_loop_count ? &GST_DIT_APNG_MUX(self)->settings.loop_count : nullptr;
}

}  // namespace

static void gst_dit_apng_mux_init(GstDitApngMux*) {}

static void gst_dit_apng_mux_class_init(GstDitApngMuxClass* klass) {
  auto* object_class = G_OBJECT_CLASS(klass);
  gst_dit_encoder_class_keep_settings(GST_DIT_ENCODER_CLASS(klass), gst_dit_apng_mux_setting);
  dit::plugin::install_loop_count(object_class, prop_loop_count, G_MAXINT32);

  gst_dit_encoder_class_describe(GST_DIT_ENCODER_CLASS(klass), &sink_template, &src_template, "Animated PNG muxer",
                                 "Codec/Muxer", "Joins PNG files, one a buffer as from pngenc, into one animated PNG");
  GST_DIT_ENCODER_CLASS(klass)->open = dit::plugin::open_encoder<dit::plugin::ApngMuxer, GstDitApngMux>;
  GST_DIT_ENCODER_CLASS(klass)->lasts_until_next = true;
}

gboolean gst_dit_apng_mux_register(GstPlugin* plugin) {
  return gst_element_register(plugin, "ditapngmux", GST_RANK_NONE, GST_TYPE_DIT_APNG_MUX);
}
