// SPDX-License-Identifier: MIT
// Random access: frame n is a pure function of n, wherever a seek comes from and whichever way it plays.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/plugin/support/player.h"
#include "tests/plugin/support/source.h"

namespace dit::plugin_test {
namespace {

constexpr gint64 frame_ns = GST_SECOND / 10;
const Properties base = {{"prompt", "red fox"}, {"seed", "5"}, {"steps", "3"}, {"num-buffers", "20"}};

Properties with(Properties properties, const Properties& more) {
  properties.insert(properties.end(), more.begin(), more.end());
  return properties;
}

/// What frames 0 … 19 show when nobody seeks.
std::vector<std::vector<std::uint8_t>> straight(const Properties& properties) {
  Properties shorter = properties;
  shorter.erase(std::remove_if(shorter.begin(), shorter.end(), [](auto& p) { return p.first == "num-buffers"; }),
                shorter.end());
  return pictures(shorter, 20);
}

/// Frames first, first + stride, … of the undisturbed stream, on the grid.
void expect_frames(const std::vector<Frame>& frames, const std::vector<std::vector<std::uint8_t>>& truth,
                   std::int64_t first, std::int64_t last, std::int64_t stride = 1) {
  const std::int64_t way = first <= last ? stride : -stride;
  std::size_t i = 0;
  for (std::int64_t n = first; way > 0 ? n <= last : n >= last; n += way, ++i) {
    ASSERT_LT(i, frames.size()) << "frame " << n << " is missing";
    EXPECT_EQ(frames[i].offset, static_cast<std::uint64_t>(n));
    EXPECT_EQ(frames[i].pts, static_cast<GstClockTime>(n * frame_ns));
    EXPECT_EQ(frames[i].duration, static_cast<GstClockTime>(frame_ns * stride));
    EXPECT_EQ(frames[i].bytes, truth[static_cast<std::size_t>(n)]) << "frame " << n;
  }
  EXPECT_EQ(frames.size(), i) << "more frames than asked for";
}

class DitSrcSeek : public testing::TestWithParam<Properties> {
 protected:
  const Properties properties = with(base, GetParam());
  const std::vector<std::vector<std::uint8_t>> truth = straight(properties);
};

constexpr GstSeekFlags flush = GST_SEEK_FLAG_FLUSH;

TEST_P(DitSrcSeek, TimeAndFramesForward) {
  Player player(properties);
  player.pause();
  ASSERT_TRUE(player.seek(1.0, GST_FORMAT_TIME, flush, 7 * frame_ns));
  player.play();
  expect_frames(player.until_end(), truth, 7, 19);
  // After the end, in frames, and between two frames of the grid.
  ASSERT_TRUE(player.seek(1.0, GST_FORMAT_DEFAULT, flush, 3));
  expect_frames(player.until_end(), truth, 3, 19);
  ASSERT_TRUE(player.seek(1.0, GST_FORMAT_TIME, flush, 4 * frame_ns + frame_ns / 2));
  expect_frames(player.until_end(), truth, 4, 19);
  EXPECT_TRUE(player.errors().empty());
}

TEST_P(DitSrcSeek, WithAStop) {
  Player player(properties);
  player.pause();
  ASSERT_TRUE(player.seek(1.0, GST_FORMAT_TIME, flush, 5 * frame_ns, 9 * frame_ns));
  player.play();
  expect_frames(player.until_end(), truth, 5, 8);
  ASSERT_TRUE(player.seek(1.0, GST_FORMAT_DEFAULT, flush, 0, 4));
  expect_frames(player.until_end(), truth, 0, 3);
}

TEST_P(DitSrcSeek, Backwards) {
  Player player(properties);
  player.pause();
  ASSERT_TRUE(player.seek(-1.0, GST_FORMAT_TIME, flush, 0, -1));
  player.play();
  expect_frames(player.until_end(), truth, 19, 0);
  ASSERT_TRUE(player.seek(-1.0, GST_FORMAT_TIME, flush, 2 * frame_ns, 11 * frame_ns));
  expect_frames(player.until_end(), truth, 10, 2);
  ASSERT_TRUE(player.seek(-2.0, GST_FORMAT_DEFAULT, flush, 0, 5));
  expect_frames(player.until_end(), truth, 4, 0);
  EXPECT_TRUE(player.errors().empty());
}

TEST_P(DitSrcSeek, SegmentsEndWithSegmentDoneAndCanLoop) {
  Player player(properties);
  player.pause();
  constexpr auto segment = static_cast<GstSeekFlags>(GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_SEGMENT);
  ASSERT_TRUE(player.seek(1.0, GST_FORMAT_TIME, segment, 0, 4 * frame_ns));
  player.play();
  expect_frames(player.until_segment_done(4 * frame_ns), truth, 0, 3);
  // Without a flush, as a player that loops does it.
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(player.seek(1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_SEGMENT, 2 * frame_ns, 6 * frame_ns));
    expect_frames(player.until_segment_done(6 * frame_ns), truth, 2, 5);
  }
  ASSERT_TRUE(player.seek(-1.0, GST_FORMAT_TIME, segment, 3 * frame_ns, 6 * frame_ns));
  expect_frames(player.until_segment_done(3 * frame_ns), truth, 5, 3);
  EXPECT_TRUE(player.errors().empty());
}

TEST_P(DitSrcSeek, FastForwardLeavesOutFramesIfAskedTo) {
  Player player(properties);
  player.pause();
  ASSERT_TRUE(player.seek(4.0, GST_FORMAT_TIME, flush, 0));
  player.play();
  expect_frames(player.until_end(), truth, 0, 19);
  constexpr auto skip = static_cast<GstSeekFlags>(GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_TRICKMODE);
  ASSERT_TRUE(player.seek(4.0, GST_FORMAT_TIME, skip, 0));
  expect_frames(player.until_end(), truth, 0, 19, 4);
  ASSERT_TRUE(player.seek(-3.0, GST_FORMAT_TIME, skip, 0, -1));
  expect_frames(player.until_end(), truth, 19, 0, 3);
}

TEST_P(DitSrcSeek, Scrubbing) {
  Player player(properties);
  player.pause();
  // Like a slider under a hand: a flushing seek in PAUSED, and the frame that is then on show.
  for (const std::int64_t n : {13, 2, 19, 0, 7, 8, 6, 15, 1, 18}) {
    ASSERT_TRUE(player.seek(1.0, GST_FORMAT_TIME, flush, n * frame_ns));
    const Frame frame = player.prerolled();
    EXPECT_EQ(frame.offset, static_cast<std::uint64_t>(n));
    EXPECT_EQ(frame.bytes, truth[static_cast<std::size_t>(n)]) << "frame " << n;
  }
  EXPECT_TRUE(player.errors().empty());
}

INSTANTIATE_TEST_SUITE_P(Modes, DitSrcSeek,
                         testing::Values(Properties{}, Properties{{"batch-size", "4"}},
                                         Properties{{"emit", "steps"}, {"hold", "2"}},
                                         Properties{{"emit", "steps"}, {"batch-size", "3"}}));

TEST(DitSrcSeeks, DurationAndConversionInTimeAndFrames) {
  Player player(with(base, {{"num-buffers", "7"}}), "video/x-raw,format=RGBA,framerate=30000/1001");
  player.pause();
  gint64 value = -1;
  EXPECT_TRUE(gst_element_query_duration(player.source(), GST_FORMAT_TIME, &value));
  EXPECT_EQ(value, 7 * 1001 * static_cast<gint64>(GST_SECOND) / 30000);
  EXPECT_TRUE(gst_element_query_duration(player.source(), GST_FORMAT_DEFAULT, &value));
  EXPECT_EQ(value, 7);
  // There and back again for every frame, though times are rounded.
  for (gint64 n = 0; n < 1000; n += 7) {
    gint64 time = -1;
    gint64 frame = -1;
    ASSERT_TRUE(gst_element_query_convert(player.source(), GST_FORMAT_DEFAULT, n, GST_FORMAT_TIME, &time));
    EXPECT_EQ(time, n * 1001 * static_cast<gint64>(GST_SECOND) / 30000);
    ASSERT_TRUE(gst_element_query_convert(player.source(), GST_FORMAT_TIME, time, GST_FORMAT_DEFAULT, &frame));
    EXPECT_EQ(frame, n);
    if (time == 0) continue;
    ASSERT_TRUE(gst_element_query_convert(player.source(), GST_FORMAT_TIME, time - 1, GST_FORMAT_DEFAULT, &frame));
    EXPECT_EQ(frame, n - 1);
  }
  EXPECT_TRUE(gst_element_query_position(player.source(), GST_FORMAT_DEFAULT, &value));
  EXPECT_LE(value, 1);
}

bool seekable(GstElement* element, GstFormat format) {
  GstQuery* query = gst_query_new_seeking(format);
  gboolean result = FALSE;
  if (gst_element_query(element, query)) gst_query_parse_seeking(query, nullptr, &result, nullptr, nullptr);
  gst_query_unref(query);
  return result != FALSE;
}

TEST(DitSrcSeeks, AreRefusedForStillsAndLiveStreams) {
  Player player(base);
  player.pause();
  EXPECT_TRUE(seekable(player.source(), GST_FORMAT_TIME));
  EXPECT_TRUE(seekable(player.source(), GST_FORMAT_DEFAULT));
  Player still(base, "video/x-raw,format=RGBA,framerate=0/1");
  still.pause();
  EXPECT_FALSE(seekable(still.source(), GST_FORMAT_TIME));
  EXPECT_FALSE(still.seek(1.0, GST_FORMAT_TIME, flush, frame_ns));
  Player live(with(base, {{"is-live", "true"}}));
  live.play();
  EXPECT_FALSE(seekable(live.source(), GST_FORMAT_TIME));
  EXPECT_FALSE(live.seek(1.0, GST_FORMAT_TIME, flush, frame_ns));
}

TEST(DitSrcSeeks, BackwardsNeedsAnEnd) {
  Properties endless = {{"steps", "1"}};
  Player player(endless);
  player.pause();
  EXPECT_FALSE(player.seek(-1.0, GST_FORMAT_TIME, flush, 0, -1));
  ASSERT_TRUE(player.seek(-1.0, GST_FORMAT_TIME, flush, 0, 3 * frame_ns));
  player.play();
  EXPECT_EQ(player.until_end().size(), 3U);
}

TEST(DitSrcSeeks, PastTheEndIsTheEnd) {
  Player player(base);
  player.pause();
  player.seek(1.0, GST_FORMAT_TIME, flush, 20 * frame_ns);
  player.play();
  EXPECT_TRUE(player.until_end().empty());
  ASSERT_TRUE(player.seek(1.0, GST_FORMAT_TIME, flush, 18 * frame_ns));
  EXPECT_EQ(player.until_end().size(), 2U);
}

TEST(DitSrcSeeks, PausingAndResumingChangesNothing) {
  const auto truth = straight(base);
  Player player(base);
  for (int i = 0; i < 5; ++i) {
    player.play();
    player.pause();
  }
  player.play();
  expect_frames(player.until_end(), truth, 0, 19);
}

}  // namespace
}  // namespace dit::plugin_test
