// SPDX-License-Identifier: MIT
// A live stream while somebody types: what is not understood is said, and the picture stays.
#include <gtest/gtest.h>

#include <functional>

#include "tests/plugin/support/player.h"

namespace dit::plugin_test {
namespace {

guint64 frames_of(GstElement* source) {
  GstStructure* stats = nullptr;
  guint64 frames = 0;
  g_object_get(source, "stats", &stats, nullptr);
  gst_structure_get_uint64(stats, "frames", &frames);
  gst_structure_free(stats);
  return frames;
}

bool wait(const std::function<bool()>& done) {
  for (const gint64 limit = g_get_monotonic_time() + 20 * G_TIME_SPAN_SECOND; g_get_monotonic_time() < limit;) {
    if (done()) return true;
    g_usleep(2000);
  }
  return false;
}

class LivePrompt : public testing::TestWithParam<const char*> {};

TEST_P(LivePrompt, ThatIsNotUnderstoodIsAWarningAndThePictureStays) {
  Player player(
      {{"is-live", "true"}, {"prompt", "red fox"}, {"style", "flat"}, {"steps", "1"}, {"late-policy", GetParam()}},
      "video/x-raw,format=RGBA,framerate=50/1");
  player.play();
  std::vector<Report> said;
  std::vector<std::string> structures;
  const auto listen = [&] {
    for (const Report& report : player.errors(&structures)) said.push_back(report);
  };
  const auto more_frames = [&] {
    const guint64 before = frames_of(player.source());
    return wait([&] { return frames_of(player.source()) > before + 5; });
  };
  ASSERT_TRUE(more_frames());
  std::size_t expected = 0;
  const std::vector<std::pair<const char*, std::string>> typed = {
      {"prompt", "z"}, {"prompt", "zz"}, {"prompt", std::string(1 << 20, 'z')}, {"style", "nonsense"}};
  for (const auto& [property, text] : typed) {
    SCOPED_TRACE(property);
    set(player.source(), {{property, text}});
    ++expected;
    ASSERT_TRUE(wait([&] {
      listen();
      return said.size() >= expected;
    }));
    // Said once, however many frames follow, and other settings count meanwhile.
    set(player.source(), {{"seed", std::to_string(expected)}});
    ASSERT_TRUE(more_frames());
    listen();
    ASSERT_EQ(said.size(), expected);
    EXPECT_EQ(said.back().type, GST_MESSAGE_WARNING);
    if (std::string(property) == "style") continue;
    set(player.source(), {{"prompt", "red fox"}});
    ASSERT_TRUE(more_frames());
  }
  structures.clear();
  set(player.source(), {{"prompt", "blue"}, {"style", "round"}});
  EXPECT_TRUE(wait([&] {
    listen();
    return !structures.empty() && structures.back().find("prompt=(string)blue") != std::string::npos;
  }));
  EXPECT_EQ(said.size(), expected);
}

INSTANTIATE_TEST_SUITE_P(Policies, LivePrompt, testing::Values("repeat", "skip", "late"),
                         [](const auto& policy) { return std::string(policy.param); });

}  // namespace
}  // namespace dit::plugin_test
