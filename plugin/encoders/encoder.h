// SPDX-License-Identifier: MIT
// What the encoders share: frames with their times come in, the bytes of a file go out. One Encoder writes one file;
// the GObject around it keeps events in order, measures frames, starts again after a flush and reports errors.
#pragma once

#include <fmt/core.h>
#include <gst/video/video.h>

#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace dit::plugin {

/// The frames cannot become this file. The text becomes the element's error, STREAM ENCODE.
class EncodeError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

template <typename... Args>
void expect_frame(bool condition, fmt::format_string<Args...> text, Args&&... args) {
  if (!condition) throw EncodeError(fmt::format(text, std::forward<Args>(args)...));
}

/// What the caps say of all frames.
struct Input {
  int width = 0, height = 0;
  int fps_n = 0, fps_d = 1;  ///< 0/1 = unknown
};

struct Frame {
  std::span<const std::uint8_t> bytes;  ///< raw video: RGBA rows without padding; otherwise the buffer as it came
  std::uint64_t number;                 ///< from 0 in each file
  GstClockTime pts;                     ///< of the buffer, or GST_CLOCK_TIME_NONE
  GstClockTime start, duration;         ///< ns; start = all durations before it, so rounding cannot drift. No sum of
                                        ///< the two is near 2^64

  /// Units of `unit_ns` from this frame to the next: the rounded end less the rounded start.
  std::uint64_t length_in(std::uint64_t unit_ns) const {
    return (start + duration + unit_ns / 2) / unit_ns - (start + unit_ns / 2) / unit_ns;
  }
};

/// Where the file goes: the element's source pad. Throws what the element's chain function returns.
class Output {
 public:
  virtual ~Output() = default;
  /// Before the first push. Takes `caps`.
  virtual void set_caps(GstCaps* caps) = 0;
  virtual void push(std::vector<std::uint8_t> bytes, GstClockTime pts = GST_CLOCK_TIME_NONE,
                    GstClockTime duration = GST_CLOCK_TIME_NONE) = 0;
  /// Whether bytes that were pushed can be written again, as into a file on a disk.
  virtual bool can_rewrite() = 0;
  virtual void rewrite(std::uint64_t offset, std::vector<std::uint8_t> bytes) = 0;
  /// Nothing more shall come: the stream ends after this frame.
  virtual void end() = 0;
  /// Posts a warning of the element, STREAM ENCODE.
  virtual void warn(const char* text) = 0;
};

class Encoder {
 public:
  virtual ~Encoder() = default;
  /// A frame is there whose length is not known yet; add() follows when it is. What is wrong with it is said now.
  /// bytes  of anything but raw video
  virtual void announce(std::span<const std::uint8_t> bytes, std::uint64_t number) { (void)bytes, (void)number; }
  virtual void add(const Frame& frame) = 0;
  /// After the last frame; there was at least one.
  virtual void finish() = 0;
};

/// Warns once a file of frames that viewers show for longer than they say.
class ShortFrames {
 public:
  /// shown  what viewers do: "show those of a GIF for 100 ms"
  explicit ShortFrames(const char* shown) : shown_(shown) {}
  /// A frame that lasts `length` units of `unit_ns` in the file. One that lasts no time at all is not meant to be seen.
  void check(const Frame& frame, std::uint64_t length, std::uint64_t unit_ns, Output& output);

 private:
  const char* shown_;
  bool warned_ = false;
};

class EncoderState;

/// For properties: they can be set before the first frame of a file and count from then on.
inline constexpr auto encoder_property =
    static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY);

/// Adds `loop-count`, which means the same in every animation.
void install_loop_count(GObjectClass* object_class, guint id, guint most);

}  // namespace dit::plugin

G_BEGIN_DECLS

#define GST_TYPE_DIT_ENCODER (gst_dit_encoder_get_type())
G_DECLARE_DERIVABLE_TYPE(GstDitEncoder, gst_dit_encoder, GST, DIT_ENCODER, GstElement)

/// The class's two pads, its name as people read it, its GStreamer class, and what it does. All stay in memory.
void gst_dit_encoder_class_describe(GstDitEncoderClass* klass, GstStaticPadTemplate* sink, GstStaticPadTemplate* src,
                                    const char* name, const char* kind, const char* what);

/// Before the first property is installed: says where the values of the class's properties are kept, under the object
/// lock: a guint, gint (of an enum too), gdouble, gboolean or gchar*, as the property's type says; null for an id that
/// is none of its own.
void gst_dit_encoder_class_keep_settings(GstDitEncoderClass* klass, void* (*setting)(GstDitEncoder* self, guint id));

G_END_DECLS

struct _GstDitEncoderClass {
  GstElementClass parent_class;

  /// See gst_dit_encoder_class_keep_settings.
  void* (*setting)(GstDitEncoder* self, guint id);
  /// Starts a file. Called in the streaming thread; open_encoder does, unless settings own something.
  std::unique_ptr<dit::plugin::Encoder> (*open)(GstDitEncoder* self, const dit::plugin::Input& input,
                                                dit::plugin::Output& output);
  /// Each frame becomes a buffer of its own: its duration does not matter, and the next one may have another size.
  bool frame_by_frame;
  /// A frame lasts until the next one comes, or longer if it says so; else as long as it says.
  bool lasts_until_next;
  /// The output is video with upstream's segment, not a file with offsets.
  bool timed_output;
};

namespace dit::plugin {

/// The `open` of an element whose member `settings` is all that its encoder needs.
template <typename Maker, typename Instance>
std::unique_ptr<Encoder> open_encoder(GstDitEncoder* self, const Input& input, Output& output) {
  GST_OBJECT_LOCK(self);
  const auto settings = reinterpret_cast<Instance*>(self)->settings;
  GST_OBJECT_UNLOCK(self);
  return std::make_unique<Maker>(settings, input, output);
}

}  // namespace dit::plugin
