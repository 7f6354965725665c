// SPDX-License-Identifier: MIT
#include "tests/plugin/support/seek_walk.h"

#include <array>
#include <cstdint>
#include <iterator>
#include <numeric>
#include <optional>
#include <vector>

#include "tests/plugin/support/tap.h"

namespace dit::plugin_test {
namespace {

constexpr int most_steps = 24;
constexpr int total = 24;
// A frame lasts whole nanoseconds: videotestsrc, which rounds down twice, loses a frame at 30000/1001.
constexpr std::array<const char*, 4> rates_of_frames = {"10/1", "25/1", "1/2", "50/1"};
constexpr std::array<gint64, 4> frame_times = {GST_SECOND / 10, GST_SECOND / 25, 2 * GST_SECOND, GST_SECOND / 50};
constexpr std::array<double, 8> speeds = {1, 2, 0.5, -1, -2, -0.25, 16, 1.5};
constexpr std::array<GstSeekFlags, 6> extra_flags = {GST_SEEK_FLAG_NONE,     GST_SEEK_FLAG_ACCURATE,
                                                     GST_SEEK_FLAG_KEY_UNIT, GST_SEEK_FLAG_INSTANT_RATE_CHANGE,
                                                     GST_SEEK_FLAG_SEGMENT,  GST_SEEK_FLAG_SNAP_NEAREST};

struct Step {
  bool flush_alone = false;  ///< no seek, but a flush as an application may send one
  SeekCall call;
  int frames = 0;
};

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::uint8_t next() {
    if (bytes_.empty()) return 0;
    const auto value = std::to_integer<std::uint8_t>(bytes_[0]);
    bytes_ = bytes_.subspan(1);
    return value;
  }
  bool done() const { return bytes_.empty(); }
  Step step(gint64 frame_time);

 private:
  gint64 place(GstFormat format, std::uint8_t byte, gint64 frame_time);

  std::span<const std::byte> bytes_;
};

/// A frame of the first 60, a moment after one, far away, or -1.
gint64 Reader::place(GstFormat format, std::uint8_t byte, gint64 frame_time) {
  if (byte == 0xff) return -1;
  const gint64 frame = byte % 64;
  if (format == GST_FORMAT_DEFAULT) return frame;
  switch (byte / 64) {
    case 2:
      return frame * frame_time + 1 + next() % 250 * (frame_time / 251);
    case 3:
      return byte == 0xfe ? G_MAXINT64 / 4 : frame * frame_time;
    default:
      return frame * frame_time;
  }
}

Step Reader::step(gint64 frame_time) {
  Step step;
  const std::uint8_t kind = next();
  step.frames = kind / 32;
  if (kind % 32 == 31) {
    step.flush_alone = true;
    return step;
  }
  SeekCall& call = step.call;
  call.rate = speeds[next() % speeds.size()];
  call.format = kind % 4 == 3 ? GST_FORMAT_DEFAULT : GST_FORMAT_TIME;
  const int flags = extra_flags[next() % extra_flags.size()] | (kind % 8 < 5 ? GST_SEEK_FLAG_FLUSH : 0);
  call.flags = static_cast<GstSeekFlags>(flags);
  constexpr std::array types = {GST_SEEK_TYPE_NONE, GST_SEEK_TYPE_SET, GST_SEEK_TYPE_END, GST_SEEK_TYPE_SET};
  const std::uint8_t both = next();
  call.start_type = types[both % 4];
  call.stop_type = types[both / 4 % 4];
  // From the end in frames is refused here; videotestsrc takes it for the start.
  if (call.format == GST_FORMAT_DEFAULT && call.start_type == GST_SEEK_TYPE_END) call.start_type = GST_SEEK_TYPE_SET;
  if (call.format == GST_FORMAT_DEFAULT && call.stop_type == GST_SEEK_TYPE_END) call.stop_type = GST_SEEK_TYPE_SET;
  call.start = place(call.format, next(), frame_time);
  call.stop = place(call.format, next(), frame_time);
  return step;
}

/// Nobody plays on without a flush after an end: pads take nothing more.
void allow(Step& step, bool at_end) {
  if (at_end) step.call.flags = static_cast<GstSeekFlags>(int{step.call.flags} | GST_SEEK_FLAG_FLUSH);
}

/// Backwards from the end of an endless stream is refused here; videotestsrc shows frame 0.
bool from_no_end(const SeekCall& call) {
  return call.rate < 0 && call.stop_type != GST_SEEK_TYPE_NONE &&
         (call.stop == -1 || call.stop_type == GST_SEEK_TYPE_END);
}

std::string lines(const std::vector<std::string>& all) {
  return std::accumulate(all.begin(), all.end(), std::string(),
                         [](const std::string& text, const std::string& line) { return text + "  " + line + "\n"; });
}

bool take_step(Tap& tap, const Step& step) {
  const bool done = step.flush_alone ? tap.flush() : tap.seek(step.call);
  tap.pass(step.frames);
  return done;
}

std::string walk_beside(Reader& reader, const std::string& caps, gint64 frame_time, GstElement* ditsrc) {
  Tap ours(ditsrc, caps);
  Tap other(gst_element_factory_make("videotestsrc", nullptr), caps);
  for (int i = 0; i < most_steps && !reader.done(); ++i) {
    Step step = reader.step(frame_time);
    if (!step.flush_alone && from_no_end(step.call)) step.call.stop_type = GST_SEEK_TYPE_NONE;
    if (step.flush_alone && ours.at_end()) continue;
    allow(step, ours.at_end());
    const bool done = take_step(ours, step), other_done = take_step(other, step);
    const auto seen = ours.take(), wanted = other.take();
    if (other.stuck()) return ours.stuck() ? "" : "step " + std::to_string(i) + ": videotestsrc is stuck";
    const std::string where = "step " + std::to_string(i) + ", " + (step.flush_alone ? "flush" : to_text(step.call));
    if (ours.stuck()) return where + ": stuck\n" + lines(seen) + "expected:\n" + lines(wanted);
    if (ours.lost() > 0) return where + ": no segment\n" + lines(seen);
    if (done != other_done) return where + (done ? ": taken" : ": refused");
    if (ours.at_end() != other.at_end()) return where + (ours.at_end() ? ": an end" : ": no end");
    // After a flush of its own, videotestsrc ends without a segment where no frame is left.
    if (step.flush_alone && ours.at_end()) continue;
    if (seen != wanted) return where + ":\n" + lines(seen) + "expected:\n" + lines(wanted);
  }
  return "";
}

/// Frames are those of the stream, one after the other in the direction of play.
std::optional<std::string> broken_rule(const std::vector<std::string>& seen, gint64 frame_time, double& rate,
                                       gint64& last) {
  for (const std::string& line : seen) {
    if (line.starts_with("segment rate ")) {
      rate = std::stod(line.substr(13));
      last = -1;
    }
    if (!line.starts_with("frame ")) continue;
    const gint64 time = std::stoll(line.substr(6));
    const gint64 frame = time / frame_time;
    if (time % frame_time != 0 || frame >= total) return "not a frame of the stream";
    if (last >= 0 && frame != last + (rate > 0 ? 1 : -1)) return "a frame that does not follow";
    last = frame;
  }
  return std::nullopt;
}

std::string walk_alone(Reader& reader, const std::string& caps, gint64 frame_time, GstElement* ditsrc) {
  g_object_set(ditsrc, "num-buffers", total, nullptr);
  Tap tap(ditsrc, caps);
  double rate = 1;
  int forgiven = 0;
  gint64 last = -1;  ///< frame; none if negative
  for (int i = 0; i < most_steps && !reader.done(); ++i) {
    Step step = reader.step(frame_time);
    if (step.flush_alone && tap.at_end()) continue;
    allow(step, tap.at_end());
    // A flush drops the frame that is held back.
    if (step.flush_alone) last = -1;
    take_step(tap, step);
    const auto seen = tap.take();
    const std::string where = "step " + std::to_string(i) + ", " + (step.flush_alone ? "flush" : to_text(step.call));
    if (tap.stuck()) return where + ": stuck";
    // Where a flush has dropped the last frame, the base class ends the stream by itself.
    if (step.flush_alone && tap.at_end()) forgiven = tap.lost();
    if (tap.lost() > forgiven) return where + ": no segment\n" + lines(seen);
    if (const auto broken = broken_rule(seen, frame_time, rate, last))
      return where + ": " + *broken + "\n" + lines(seen);
  }
  return "";
}

}  // namespace

std::string walk(std::span<const std::byte> bytes, const std::function<GstElement*()>& make_ditsrc) {
  Reader reader(bytes);
  const std::uint8_t first = reader.next();
  const std::size_t rate = first % rates_of_frames.size();
  const std::string caps = std::string("video/x-raw,format=RGBA,framerate=") + rates_of_frames[rate];
  const bool finite = first / 4 % 4 == 3;
  return finite ? walk_alone(reader, caps, frame_times[rate], make_ditsrc())
                : walk_beside(reader, caps, frame_times[rate], make_ditsrc());
}

}  // namespace dit::plugin_test
