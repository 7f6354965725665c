// SPDX-License-Identifier: MIT
// Which fusion a program gets where nobody asked for one.
#include "engine/vulkan/compile/compile.h"

#include <gtest/gtest.h>

#include "tests/engine/vulkan/compile/programs.h"

namespace dit::test {
namespace {

/// 1024 tokens, which the fused kernels do not hold.
Program program_of_many_tokens() {
  ModelConfig c;
  c.channels = 4;
  c.premultiplied = true;
  c.height = c.width = 64;
  c.patch = 2;
  c.dim = 48;
  c.depth = 1;
  c.heads = 3;
  c.mlp_dim = 96;
  c.cond_dim = c.time_dim = 16;
  return record(c, {.batch = 1, .conditions = 1, .steps = 1});
}

TEST(Compile, AutomaticIsWhatTheTableNames) {
  const Program one = small_program(1, 144), many = small_program(64, 144);
  EXPECT_EQ(automatic_fusion(one, gpu_target(Precision::f32, Fusion::op)), Fusion::block);
  EXPECT_EQ(automatic_fusion(one, gpu_target(Precision::f16_matrix, Fusion::op)), Fusion::persistent);
  EXPECT_EQ(automatic_fusion(many, gpu_target(Precision::f16_matrix, Fusion::op)), Fusion::block);
  vulkan::Target software = gpu_target(Precision::f32, Fusion::block);
  software.table = vulkan::table_of(vulkan::DeviceClass::software);
  EXPECT_EQ(automatic_fusion(one, software), Fusion::op);
}

TEST(Compile, WhatTheFusedKernelsDoNotServeIsLeftToThePlainOnes) {
  const Program program = program_of_many_tokens();
  const vulkan::Target block = gpu_target(Precision::f32, Fusion::block);
  EXPECT_NE(refusal_of(program, block).find("1024 tokens"), std::string::npos) << refusal_of(program, block);
  EXPECT_EQ(refusal_of(program, gpu_target(Precision::f32, Fusion::op)), "");
  EXPECT_EQ(automatic_fusion(program, block), Fusion::op);
  EXPECT_EQ(automatic_fusion(program, gpu_target(Precision::f16, Fusion::block)), Fusion::block)
      << "nothing else has 16 bits: its plan says why not";
}

TEST(Compile, ThePlainKernelsTakeProgramsOfAnyLength) {
  ModelConfig c;
  c.channels = 4;
  c.premultiplied = true;
  c.height = c.width = 16;
  c.patch = 8;
  c.dim = 48;
  c.depth = 60;
  c.heads = 3;
  c.mlp_dim = 96;
  c.cond_dim = c.time_dim = 16;
  const Program program = record(c, {.batch = 1, .conditions = 1, .steps = 1});
  ASSERT_GT(program.step.size(), std::size_t{STAGES_LIMIT});
  EXPECT_EQ(refusal_of(program, gpu_target(Precision::f32, Fusion::op)), "");
  const vulkan::Target block = gpu_target(Precision::f32, Fusion::block);
  EXPECT_NE(refusal_of(program, block).find("256 stages"), std::string::npos) << refusal_of(program, block);
  EXPECT_EQ(automatic_fusion(program, block), Fusion::op);
}

TEST(Compile, AHeadOfTooManyKindsOfStagesForOneDispatchGetsAFewABlock) {
  // Too wide for the stage that runs all layers, which then are stages of their own.
  const Program wide = headed_program(1, 16, 3, 200);
  const vulkan::Target single = gpu_target(Precision::f16_matrix, Fusion::persistent);
  EXPECT_NE(refusal_of(wide, single).find("serves 12 kinds"), std::string::npos) << refusal_of(wide, single);
  EXPECT_EQ(automatic_fusion(wide, single), Fusion::block);
  EXPECT_EQ(automatic_fusion(headed_program(1), single), Fusion::persistent);
}

}  // namespace
}  // namespace dit::test
