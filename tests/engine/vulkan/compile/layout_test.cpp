// SPDX-License-Identifier: MIT
// How tensors lie.
#include "engine/vulkan/compile/layout.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "engine/error.h"
#include "tests/engine/vulkan/compile/programs.h"

namespace dit::test {
namespace {

using vulkan::Layouts;
using vulkan::TensorLayout;

TensorId id_of_qkv(const Program& program) {
  for (const Op& op : program.step) {
    if (const auto* attention = std::get_if<op::Attention>(&op.what)) return attention->qkv;
  }
  throw std::runtime_error("no attention");
}

TEST(Layout, ThePlainKernelsTakeEveryTensorAsItIs) {
  const Program program = small_program(1, 144);
  const Layouts layouts = compile(program, gpu_target(Precision::f32, Fusion::op)).layouts;
  for (TensorId id = 0; id < program.tensors.size(); ++id) {
    EXPECT_EQ(layouts.tensors[id].kind, TensorLayout::Kind::plain);
    EXPECT_EQ(layouts.tensors[id].size_bytes(), element_count(program.tensors[id].shape) * 4);
  }
  EXPECT_GT(layouts.scratch.row_stats, 0u);
  EXPECT_EQ(layouts.scratch.lhs, 0u);
}

TEST(Layout, HeadsArePaddedApartAndValuesAreTurnedForMatrices) {
  const Program program = small_program(1, 144, 3, 20);
  const TensorLayout portable =
      compile(program, gpu_target(Precision::f16, Fusion::block)).layouts.tensors[id_of_qkv(program)];
  EXPECT_EQ(portable.kind, TensorLayout::Kind::fragments);
  EXPECT_EQ(portable.columns, (vulkan::ColumnGroups{180, 20}));
  EXPECT_EQ(portable.columns.fragments(), 18u) << "nine heads of two fragments";
  EXPECT_EQ(portable.turned_from, UINT32_MAX);
  const TensorLayout matrix =
      compile(program, gpu_target(Precision::f16_matrix, Fusion::block)).layouts.tensors[id_of_qkv(program)];
  EXPECT_EQ(matrix.turned_from, 12u);
}

TEST(Layout, AMapThatAHeadBeginsWithHasTheChannelsOfAPixelBesideEachOther) {
  const Program program = headed_program(2);
  const Layouts matrix = compile(program, gpu_target(Precision::f16_matrix, Fusion::block)).layouts;
  const Layouts portable = compile(program, gpu_target(Precision::f16, Fusion::block)).layouts;
  TensorId map = 0, context = 0;
  while (program.tensor(map).name != "features") ++map;
  while (program.tensor(context).name != "blocks.1.attn.context") ++context;
  const TensorLayout& layout = matrix.tensors[map];
  EXPECT_EQ(layout.kind, TensorLayout::Kind::pixels);
  EXPECT_EQ(portable.tensors[map].kind, TensorLayout::Kind::plain);
  std::vector<float> values(2 * 16 * 64 * 64), back(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 2039);
  std::vector<std::byte> bytes(layout.size_bytes());
  EXPECT_EQ(bytes.size(), values.size() * 2);
  layout.encode(values, bytes);
  layout.decode(bytes, back);
  EXPECT_EQ(back, values);
  // Channel 10 of pixel 3 of the second icon: an invocation has channels 2, 3, 10 and 11.
  std::uint16_t half = 0;
  std::memcpy(&half, &bytes[((4096 + 3) * 16 + 4 + 2) * 2], 2);
  EXPECT_EQ(half, vulkan::half_from_float(values[(16 + 10) * 4096 + 3]));

  EXPECT_EQ(matrix.tensors[context].kind, TensorLayout::Kind::fragments);
  EXPECT_EQ(matrix.tensors[context].row_fragments(), 2u) << "nine keys each for two conditions";
  EXPECT_EQ(matrix.tensors[context].turned_from, 32u) << "values";
  EXPECT_EQ(matrix.scratch.prepared, 2u * 9 * 1024 * 4) << "of one layer at a time";
}

TEST(Layout, ScratchIsKeptOnlyForGroupsThatUseIt) {
  const Program program = small_program(1, 144);
  const Layouts none = compile(program, gpu_target(Precision::f32, Fusion::none)).layouts;
  EXPECT_GT(none.scratch.lhs, 0u);
  EXPECT_GT(none.scratch.rows, 0u);
  const Layouts op = compile(program, gpu_target(Precision::f16, Fusion::op)).layouts;
  EXPECT_EQ(op.scratch.lhs, 0u) << "norms are made on the way";
  EXPECT_EQ(op.scratch.rows, 0u) << "windows do not overlap";
}

TEST(Layout, TwoHeadsThatPadOneTensorDifferentlyAreRefused) {
  Recorder r({.batch = 1});
  const TensorId qkv = r.activation("qkv", {1, 16, 3 * 48});
  for (const std::uint32_t heads : {2u, 3u}) {
    r.step("attention " + std::to_string(heads),
           op::Attention{.qkv = qkv,
                         .q_norm = no_tensor,
                         .k_norm = no_tensor,
                         .norm_eps = 0,
                         .heads = heads,
                         .y = r.activation("y" + std::to_string(heads), {1, 16, 48})});
  }
  const Program program = r.finish();
  EXPECT_THROW(compile(program, gpu_target(Precision::f32, Fusion::block)), Error);
  EXPECT_NO_THROW(compile(program, gpu_target(Precision::f32, Fusion::op))) << "the plain kernels pad nothing";
}

}  // namespace
}  // namespace dit::test
