// SPDX-License-Identifier: MIT
// A kernel is edited while a pipeline plays: the picture changes, a mistake is a warning with file and line, and frames
// go on with the last good kernel.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "engine/session/session.h"
#include "tests/engine/support/shader_copy.h"
#include "tests/plugin/support/player.h"

namespace dit::plugin_test {
namespace {

using Bytes = std::vector<std::uint8_t>;
using test::ShaderCopy;
using test::ShaderFolder;

class DitSrcShaders : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string problem = test::shader_compiler_problem(); !problem.empty()) GTEST_SKIP() << problem;
    bool usable = false;
    for (const DeviceInfo& device : list_devices()) usable |= device.spec != "cpu" && device.problem.empty();
    if (!usable) GTEST_SKIP() << "no usable Vulkan device";
    session_ = Session::open({.model = tiny_model(), .device = "vulkan", .options = {.fusion = Fusion::op}});
  }

  /// What the kernels that were built in make of frame n; `swapped`: red for blue.
  Bytes expected(std::uint64_t n, bool swapped) {
    IconSettings settings;
    settings.prompt = "red fox";
    settings.seed = 3;
    settings.steps = 2;
    const IconPoint point = {.from = {settings.seed, n}};
    session_->begin(settings, std::span(&point, 1));
    session_->advance(2);
    Bytes rgba(std::size_t{12} * 8 * 4);
    session_->read(0, rgba);
    for (std::size_t i = 0; swapped && i < rgba.size(); i += 4) std::swap(rgba[i], rgba[i + 2]);
    return rgba;
  }

  /// The first frame beyond `after` that is as expected; 0, and a failure, if none comes in 20 s.
  std::uint64_t await_frame(Player& player, std::uint64_t after, bool swapped) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < end) {
      const Frame frame = player.prerolled();
      if (frame.offset > after && frame.bytes == expected(frame.offset, swapped)) return frame.offset;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    ADD_FAILURE() << "no frame " << (swapped ? "of the edited kernel" : "of the kernel that was built in");
    return 0;
  }

  static std::string await_warning(Player& player) {
    GstMessage* message = player.await(GST_MESSAGE_WARNING);
    if (message == nullptr) return {};
    GError* error = nullptr;
    gst_message_parse_warning(message, &error, nullptr);
    std::string text = error->message;
    g_error_free(error);
    gst_message_unref(message);
    return text;
  }

  std::unique_ptr<Session> session_;
};

TEST_F(DitSrcShaders, AreEditedWhileAPipelinePlays) {
  const std::string file = "plain/to_rgba.comp";
  const ShaderCopy copy("edited-shaders-of-plugin");
  const ShaderFolder folder(copy.folder());
  Player player({{"device", "vulkan"}, {"fusion", "op"}, {"prompt", "red fox"}, {"seed", "3"}, {"steps", "2"}},
                "video/x-raw,format=RGBA,framerate=10/1", true);
  player.play();
  ASSERT_FALSE(HasFailure()) << player.errors().front().text;
  std::uint64_t frame = await_frame(player, 0, false);
  ASSERT_NE(expected(frame, false), expected(frame, true)) << "a picture that shows nothing";

  copy.edit(file, "vec4(x_values[at], x_values[at + p.pixels], x_values[at + 2u * p.pixels], alpha)",
            "vec4(x_values[at + 2u * p.pixels], x_values[at + p.pixels], x_values[at], alpha)");
  frame = await_frame(player, frame, true);

  const int line = copy.edit(file, "rgba[i] =", "rgba[i] = mistake +");
  const std::string warning = await_warning(player);
  EXPECT_NE(warning.find(copy.path(file).string() + ":" + std::to_string(line) + ": error: 'mistake'"),
            std::string::npos)
      << warning;
  frame = await_frame(player, frame, true);
  frame = await_frame(player, frame + 3, true);
  EXPECT_TRUE(player.errors().empty()) << "a mistake is said once, and ends nothing";

  copy.mend(file);
  await_frame(player, frame, false);
  EXPECT_TRUE(player.errors().empty());
}

}  // namespace
}  // namespace dit::plugin_test
