// SPDX-License-Identifier: MIT
// What was tuned is found again, and what is not a tuning is none.
#include "engine/vulkan/choose/tuned.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

namespace dit::test {
namespace {

using vulkan::Tuned;

class TunedDevices : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::remove_all(path_); }

  std::filesystem::path path_ = std::filesystem::path(DIT_BUILD_DIR) / "tuned-test";
  CacheFolder folder_{path_};
  Tuned tuned_{.f32 = Fusion::block, .f16 = Fusion::op, .matrix_persistent_batch = 16, .matrices_win = true};
};

TEST_F(TunedDevices, AreFoundByTheirIdentity) {
  EXPECT_EQ(vulkan::read_tuned(folder_, "a"), std::nullopt);
  ASSERT_TRUE(keep_tuned(folder_, "a", tuned_));
  EXPECT_EQ(vulkan::read_tuned(folder_, "a"), tuned_);
  EXPECT_EQ(vulkan::read_tuned(folder_, "b"), std::nullopt);
  EXPECT_FALSE(keep_tuned(CacheFolder(), "a", tuned_)) << "no cache";
}

TEST_F(TunedDevices, WhatIsNoTuningIsNone) {
  for (const char* text :
       {"", "{", "[]", "{}", R"({"f32":"fast","f16":"op","matrix_persistent_batch":1,"matrices_win":true})",
        R"({"f32":"single","f16":"op","matrix_persistent_batch":1,"matrices_win":true})",
        R"({"f32":"auto","f16":"op","matrix_persistent_batch":1,"matrices_win":true})",
        R"({"f32":"op","f16":"none","matrix_persistent_batch":1,"matrices_win":true})",
        R"({"f32":"op","f16":"op","matrix_persistent_batch":-1,"matrices_win":true})",
        R"({"f32":"op","f16":"op","matrix_persistent_batch":4294967296,"matrices_win":true})",
        R"({"f32":"op","f16":"op","matrix_persistent_batch":1,"matrices_win":"yes"})",
        R"({"f32":1,"f16":"op","matrix_persistent_batch":1,"matrices_win":true})"}) {
    ASSERT_TRUE(folder_.write("tuned-a.json", text));
    EXPECT_EQ(vulkan::read_tuned(folder_, "a"), std::nullopt) << text;
  }
}

TEST_F(TunedDevices, TakeTheTablesPlace) {
  const vulkan::DeviceTable& before = vulkan::table_of(vulkan::DeviceClass::software);
  const vulkan::DeviceTable table = with_tuned(before, tuned_);
  EXPECT_EQ(table.device_class, before.device_class);
  EXPECT_EQ(fastest_fusion(table, Precision::f32, 1), Fusion::block);
  EXPECT_EQ(fastest_fusion(table, Precision::f16, 1), Fusion::op);
  EXPECT_EQ(fastest_fusion(table, Precision::f16_matrix, 16), Fusion::persistent);
  EXPECT_EQ(fastest_fusion(table, Precision::f16_matrix, 17), Fusion::block);
  EXPECT_EQ(automatic_precisions(table, true).size(), 1u);
  EXPECT_TRUE(automatic_precisions(table, false).empty()) << "the device has none";
}

}  // namespace
}  // namespace dit::test
