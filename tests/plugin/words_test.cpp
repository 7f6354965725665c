// SPDX-License-Identifier: MIT
// Words that the model has not: painted as others by the lexicon, said on the bus and in the meta, refused if strict.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/plugin/support/player.h"

namespace dit::plugin_test {
namespace {

const Properties one_step = {{"steps", "1"}, {"style", "flat"}, {"num-buffers", "1"}, {"seed", "4"}};

Properties with(Properties more) {
  more.insert(more.end(), one_step.begin(), one_step.end());
  return more;
}

/// Frames of the whole stream; what was said by its start goes to `structures`. Waiting for the end drops other
/// messages.
std::vector<Frame> frames_of(Player& player, std::vector<std::string>& structures) {
  player.pause();
  EXPECT_TRUE(player.errors(&structures).empty());
  player.play();
  return player.until_end();
}

std::string message(const std::vector<std::string>& structures, const std::string& name) {
  const auto found = std::ranges::find_if(structures, [&](const auto& text) { return text.starts_with(name + ","); });
  return found == structures.end() ? "" : *found;
}

TEST(DitSrcWords, ArePaintedAsWhatTheyMeanAndSaid) {
  Player emoji(with({{"prompt", "\U0001F98A"}})), word(with({{"prompt", "fox"}}));
  std::vector<std::string> of_emoji, of_word;
  const std::vector<Frame> painted = frames_of(emoji, of_emoji), wanted = frames_of(word, of_word);
  ASSERT_EQ(painted.size(), 1u);
  ASSERT_EQ(wanted.size(), 1u);
  EXPECT_EQ(painted[0].bytes, wanted[0].bytes);
  const std::string said = message(of_emoji, "ditsrc-word");
  EXPECT_NE(said.find("painted=(string)fox"), std::string::npos) << said;
  EXPECT_NE(said.find("how=(string)emoji"), std::string::npos) << said;
  EXPECT_EQ(message(of_word, "ditsrc-word"), "");
}

TEST(DitSrcWords, StrictOnesAreRefused) {
  Player player(with({{"prompt", "\U0001F98A"}, {"strict-words", "true"}}));
  gst_element_set_state(player.pipeline(), GST_STATE_PLAYING);
  GstMessage* error = player.await(GST_MESSAGE_ERROR);
  ASSERT_NE(error, nullptr);
  gst_message_unref(error);
}

TEST(DitSrcWords, LinksMayBeEmoji) {
  init_gstreamer();
  GstElement* source = gst_element_factory_make("ditsrc", nullptr);
  GError* error = nullptr;
  EXPECT_TRUE(gst_uri_handler_set_uri(GST_URI_HANDLER(source), "dit://\U0001F680?strict-words=true", &error));
  gchar* prompt = nullptr;
  gboolean strict = FALSE;
  g_object_get(source, "prompt", &prompt, "strict-words", &strict, nullptr);
  EXPECT_STREQ(prompt, "\U0001F680");
  EXPECT_TRUE(strict);
  g_free(prompt);
  gst_object_unref(source);
}

}  // namespace
}  // namespace dit::plugin_test
