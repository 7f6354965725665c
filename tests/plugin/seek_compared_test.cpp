// SPDX-License-Identifier: MIT
// Seeks of every kind on ditsrc and on videotestsrc side by side: the same segments, the same frames.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "tests/plugin/support/seek_walk.h"
#include "tests/plugin/support/source.h"
#include "tests/plugin/support/tap.h"

namespace dit::plugin_test {
namespace {

constexpr const char* caps = "video/x-raw,format=RGBA,framerate=10/1";
constexpr gint64 frame_ns = GST_SECOND / 10;
constexpr auto flush = GST_SEEK_FLAG_FLUSH, plain = GST_SEEK_FLAG_NONE;
constexpr auto SET = GST_SEEK_TYPE_SET, NONE = GST_SEEK_TYPE_NONE, END = GST_SEEK_TYPE_END;
constexpr auto TIME = GST_FORMAT_TIME, FRAMES = GST_FORMAT_DEFAULT;

/// A way through a stream: seeks, after each of which so many frames pass.
struct Way {
  const char* name;
  std::vector<std::pair<SeekCall, int>> steps;
};

GstSeekFlags operator|(GstSeekFlags a, GstSeekFlags b) { return static_cast<GstSeekFlags>(int{a} | int{b}); }

SeekCall to(gint64 frame, GstSeekFlags flags = flush) { return {1, TIME, flags, SET, frame * frame_ns, NONE, -1}; }
SeekCall at_rate(double rate, GstSeekFlags flags = flush) { return {rate, TIME, flags, NONE, -1, NONE, -1}; }
SeekCall range(double rate, gint64 from, gint64 until, GstSeekFlags flags = flush) {
  return {rate, TIME, flags, SET, from * frame_ns, SET, until * frame_ns};
}

const std::vector<Way> ways = {
    {"RateChangesGoOn", {{to(20), 3}, {at_rate(2), 3}, {at_rate(0.5), 2}, {at_rate(1), 1}}},
    {"RateChangesGoOnWithoutAFlush", {{to(20), 3}, {at_rate(2, plain), 3}, {at_rate(0.25, plain), 2}}},
    {"NoneWithNumbers", {{to(20), 3}, {{2, TIME, flush, NONE, 5, NONE, 7}, 3}}},
    {"BackwardsFromHere", {{to(20), 3}, {at_rate(-1), 4}, {at_rate(1), 4}, {at_rate(-2, plain), 2}}},
    {"BackwardsFromHereAndAnotherStart", {{to(20), 5}, {{-1, TIME, flush, SET, 22 * frame_ns, NONE, -1}, 9}}},
    {"ANewStopAlone", {{to(3), 2}, {{1, TIME, flush, NONE, -1, SET, 9 * frame_ns}, 2}, {at_rate(2), 9}}},
    {"ANewStopAloneWithoutAFlush", {{to(3), 2}, {{1, TIME, plain, NONE, -1, SET, 9 * frame_ns}, 9}}},
    {"AStopBehindThePosition", {{to(3), 9}, {{1, TIME, flush, NONE, -1, SET, 9 * frame_ns}, 2}}},
    {"AStopTakenAway", {{range(1, 3, 6), 1}, {{1, TIME, flush, NONE, -1, SET, -1}, 6}}},
    {"InsideARange", {{range(1, 20, 30), 2}, {at_rate(-1), 4}, {at_rate(1), 20}}},
    {"ARangeBackwards", {{range(-1, 5, 10), 2}, {at_rate(1), 2}, {at_rate(-3), 20}}},
    {"AStopAloneBackwards", {{to(5), 1}, {{-1, TIME, flush, NONE, -1, SET, 9 * frame_ns}, 2}, {at_rate(-1, plain), 9}}},
    {"AtTheVeryStart", {{range(-1, 0, 0), 1}, {at_rate(1), 2}, {range(1, 0, 0), 1}}},
    {"EndOfWhatHasNone",
     {{to(5), 1}, {{1, TIME, flush, END, -frame_ns, NONE, -1}, 2}, {{1, TIME, flush, SET, 0, END, 0}, 2}}},
    {"BetweenTwoFrames", {{{1, TIME, flush, SET, 4 * frame_ns + 7, NONE, -1}, 1}, {at_rate(-1), 2}}},
    {"InFrames",
     {{{1, FRAMES, flush, SET, 7, NONE, -1}, 2},
      {{1, FRAMES, flush, SET, 3, SET, 6}, 5},
      {{2, FRAMES, flush, NONE, -1, NONE, -1}, 2},
      {{-1, FRAMES, plain, SET, 2, SET, 6}, 2}}},
    {"Segments",
     {{range(1, 2, 5, flush | GST_SEEK_FLAG_SEGMENT), 5},
      {range(1, 2, 5, GST_SEEK_FLAG_SEGMENT), 5},
      {at_rate(-1, flush | GST_SEEK_FLAG_SEGMENT), 9},
      {at_rate(1, GST_SEEK_FLAG_SEGMENT), 9}}},
    {"InstantRateChanges", {{to(20), 3}, {at_rate(2, GST_SEEK_FLAG_INSTANT_RATE_CHANGE), 3}}},
    {"AccurateAndSnapped",
     {{to(20, flush | GST_SEEK_FLAG_ACCURATE), 1}, {at_rate(2, flush | GST_SEEK_FLAG_KEY_UNIT), 2}}},
    {"FarAway", {{{1, TIME, flush, SET, G_MAXINT64 / 10, NONE, -1}, 2}, {at_rate(-1), 2}}}};

GstElement* videotestsrc() {
  init_gstreamer();
  return gst_element_factory_make("videotestsrc", nullptr);
}

class SeeksCompared : public testing::TestWithParam<std::size_t> {};

TEST_P(SeeksCompared, GiveTheSegmentsAndFramesOfVideotestsrc) {
  const Way& way = ways[GetParam()];
  Tap other(videotestsrc(), caps);
  Tap ours(make_element({{"steps", "1"}}), caps);
  EXPECT_EQ(ours.take(), other.take());
  for (const auto& [call, frames] : way.steps) {
    SCOPED_TRACE(to_text(call));
    EXPECT_EQ(ours.seek(call), other.seek(call));
    ours.pass(frames);
    other.pass(frames);
    EXPECT_EQ(ours.take(), other.take());
    EXPECT_EQ(ours.at_end(), other.at_end());
    ASSERT_FALSE(ours.stuck());
    ASSERT_FALSE(other.stuck());
  }
  EXPECT_EQ(ours.lost(), 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, SeeksCompared, testing::Range<std::size_t>(0, ways.size()),
                         [](const auto& kind) { return std::string(ways[kind.param].name); });

std::vector<std::string> only_frames(const std::vector<std::string>& lines) {
  std::vector<std::string> result;
  for (const std::string& line : lines) {
    if (line.starts_with("frame")) result.push_back(line);
  }
  return result;
}

/// videotestsrc counts buffers, not frames, so only what lies before the end can be compared; there nothing differs.
TEST(SeeksOfAFiniteStream, AreThoseOfAnEndlessOneUpToItsEnd) {
  for (const Way& way : ways) {
    if (std::string(way.name) == "FarAway") continue;
    SCOPED_TRACE(way.name);
    Tap endless(make_element({{"steps", "1"}}), caps);
    Tap finite(make_element({{"steps", "1"}, {"num-buffers", "40"}}), caps);
    for (const auto& [call, frames] : way.steps) {
      SCOPED_TRACE(to_text(call));
      EXPECT_EQ(finite.seek(call), endless.seek(call));
      finite.pass(frames);
      endless.pass(frames);
      // Backwards without a stop, the finite stream's segment has one: its end.
      EXPECT_EQ(only_frames(finite.take()), only_frames(endless.take()));
      EXPECT_EQ(finite.at_end(), endless.at_end());
      ASSERT_FALSE(finite.stuck());
    }
  }
}

std::vector<std::string> frames(std::initializer_list<gint64> numbers) {
  std::vector<std::string> lines;
  for (const gint64 n : numbers) lines.push_back("frame " + std::to_string(n * frame_ns));
  return lines;
}

TEST(SeeksOfAFiniteStream, KnowItsEnd) {
  Tap tap(make_element({{"steps", "1"}, {"num-buffers", "6"}}), caps);
  // From the end, which videotestsrc does not know.
  EXPECT_TRUE(tap.seek({-1, TIME, flush, SET, 0, SET, -1}));
  tap.pass(2);
  EXPECT_EQ(only_frames(tap.take()), frames({5, 4}));
  // On from there, in either direction, up to the end.
  EXPECT_TRUE(tap.seek(at_rate(2)));
  tap.pass(9);
  EXPECT_EQ(only_frames(tap.take()), frames({3, 4, 5}));
  EXPECT_TRUE(tap.at_end());
  EXPECT_TRUE(tap.seek(at_rate(1)));
  EXPECT_TRUE(tap.at_end());
  EXPECT_TRUE(tap.seek(at_rate(-1)));
  tap.pass(9);
  EXPECT_EQ(only_frames(tap.take()), frames({5, 4, 3, 2, 1, 0}));
  EXPECT_TRUE(tap.at_end());
  EXPECT_EQ(tap.lost(), 0);
}

/// What the fuzzer plays with, see tests/fuzz: its seeds, and ways by chance.
TEST(SeekWalks, BreakNoRule) {
  std::vector<std::vector<std::byte>> walks;
  for (const auto& entry : std::filesystem::directory_iterator(source_path("tests/fuzz/corpus/seeks"))) {
    std::ifstream stream(entry.path(), std::ios::binary);
    const std::string text(std::istreambuf_iterator<char>(stream), {});
    const auto bytes = std::as_bytes(std::span(text));
    walks.emplace_back(bytes.begin(), bytes.end());
  }
  EXPECT_GE(walks.size(), 6U);
  std::mt19937 random(1);
  for (int k = 0; k < 150; ++k) {
    std::vector<std::byte> bytes(100);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    walks.push_back(std::move(bytes));
  }
  init_gstreamer();
  // A start behind a stop is a critical message of GStreamer's, which goes on with the segment that it had.
  const auto fatal = g_log_set_always_fatal(G_LOG_LEVEL_ERROR);
  const auto log = g_log_set_default_handler([](const gchar*, GLogLevelFlags, const gchar*, gpointer) {}, nullptr);
  for (std::size_t i = 0; i < walks.size(); ++i) {
    EXPECT_EQ(walk(walks[i], [] { return make_element({{"steps", "1"}}); }), "") << "walk " << i;
  }
  g_log_set_default_handler(log, nullptr);
  g_log_set_always_fatal(fatal);
}

/// Whatever the reason, and whether or not the base class has flushed by then.
TEST(RefusedSeeks, LeaveTheStreamWithASegmentWhereItWas) {
  const std::vector<SeekCall> refused = {{-1, TIME, flush, SET, 0, SET, -1},
                                         {1, FRAMES, flush, END, -5, NONE, -1},
                                         {1, FRAMES, flush, SET, 5, END, -5},
                                         {1, GST_FORMAT_BYTES, flush, END, -5, NONE, -1},
                                         {1, GST_FORMAT_PERCENT, flush, SET, 5, END, -5},
                                         {1, GST_FORMAT_BYTES, flush, SET, 5, NONE, -1},
                                         {1, GST_FORMAT_BUFFERS, flush, NONE, 5, SET, 7}};
  for (const SeekCall& call : refused) {
    SCOPED_TRACE(to_text(call));
    Tap tap(make_element({{"steps", "1"}}), caps);
    EXPECT_TRUE(tap.seek(to(20)));
    tap.pass(2);
    tap.take();
    EXPECT_FALSE(tap.seek(call));
    tap.pass(2);
    // A flush drops the frame that was held back.
    const auto seen = only_frames(tap.take());
    EXPECT_TRUE(seen == frames({22, 23}) || seen == frames({23, 24})) << testing::PrintToString(seen);
    EXPECT_EQ(tap.lost(), 0);
    EXPECT_FALSE(tap.stuck());
  }
}

/// Running time begins anew after a flush, and the frame that comes next is due then, at the rate that was in force.
TEST(RefusedSeeks, GoOnAtRunningTimeZero) {
  Tap tap(make_element({{"steps", "1"}}), caps);
  EXPECT_TRUE(tap.seek(to(20)));
  EXPECT_TRUE(tap.seek(at_rate(2)));
  tap.take();
  EXPECT_FALSE(tap.seek({1, FRAMES, flush, END, -5, NONE, -1}));
  tap.pass(1);
  const auto lines = tap.take();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0],
            "segment rate 2/1 flags 1 2000000000 none time 2000000000 position 2200000000 base 0 offset 200000000");
  EXPECT_EQ(lines[1], "frame 2200000000");
}

}  // namespace
}  // namespace dit::plugin_test
