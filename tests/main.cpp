// SPDX-License-Identifier: MIT
// Runs the tests with Vulkan's validation layer on: any message it prints fails the test that caused it.
// --bench: times the ops of the kernel tests too, each once it is right; without the layer.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string_view>

#include "engine/vulkan/device/validation.h"
#include "tests/engine/ops/op_case.h"
#include "tests/engine/support/devices_under_test.h"

namespace {

class ValidationListener : public ::testing::EmptyTestEventListener {
 public:
  void OnTestEnd(const ::testing::TestInfo&) override {
    const auto messages = dit::vulkan::validation_messages();
    for (; seen_ < messages.size(); ++seen_) ADD_FAILURE() << "validation layer: " << messages[seen_];
  }

 private:
  std::size_t seen_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) dit::test::benchmarking |= std::string_view(argv[i]) == "--bench";
  ::setenv("DIT_VULKAN_VALIDATION", dit::test::benchmarking ? "0" : "1", /*overwrite=*/0);
  // What tests leave behind is not the user's.
  ::setenv("DIT_CACHE", DIT_BUILD_DIR "/cache", /*overwrite=*/0);
  // Listeners hear of an end in reverse order, so this one still adds to the test that the printer is about to report.
  ::testing::UnitTest::GetInstance()->listeners().Append(new ValidationListener);
  const int status = RUN_ALL_TESTS();
  const std::size_t before = dit::vulkan::validation_messages().size();
  dit::test::close_vulkan();
  const auto messages = dit::vulkan::validation_messages();
  for (std::size_t i = before; i < messages.size(); ++i)
    fmt::print(stderr, "at the end: validation layer: {}\n", messages[i]);
  return messages.size() == before ? status : EXIT_FAILURE;
}
