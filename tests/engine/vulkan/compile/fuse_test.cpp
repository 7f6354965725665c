// SPDX-License-Identifier: MIT
// Which pieces share a dispatch.
#include "engine/vulkan/compile/fuse.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/error.h"
#include "tests/engine/vulkan/compile/programs.h"

namespace dit::test {
namespace {

using vulkan::FusedProgram;
using vulkan::Group;
using vulkan::Lhs;
using vulkan::Store;
using vulkan::Work;

FusedProgram fused(Precision precision, Fusion fusion, const Program& program) {
  return fuse(program, gpu_target(precision, fusion));
}

std::ptrdiff_t count(const FusedProgram& p, Work work) { return std::ranges::count(p.groups, work, &Group::work); }

TEST(Fuse, ThePlainPathIsTheIdentity) {
  const Program program = small_program(1, 144);
  const FusedProgram plain = fused(Precision::f32, Fusion::op, program);
  ASSERT_EQ(plain.groups.size(), program.step.size());
  for (std::size_t i = 0; i < plain.groups.size(); ++i) {
    EXPECT_EQ(plain.groups[i].work, Work::plain);
    EXPECT_EQ(plain.groups[i].op, i);
    EXPECT_EQ(plain.ops[i].first, i);
    EXPECT_EQ(plain.ops[i].last, i + 1);
  }
}

TEST(Fuse, EveryOpEndsInSomeGroupOrInAnother) {
  for (const bool guided : {false, true}) {
    const Program program = small_program(2, 144, 8, 0, guided);
    for (const auto& [precision, fusion] :
         {std::pair{Precision::f32, Fusion::none}, std::pair{Precision::f32, Fusion::block},
          std::pair{Precision::f16, Fusion::op}, std::pair{Precision::f16_matrix, Fusion::persistent}}) {
      const FusedProgram p = fused(precision, fusion, program);
      std::uint32_t next = 0;
      for (const vulkan::GroupedOp& op : p.ops) {
        EXPECT_EQ(op.first, next) << "groups without gaps";
        EXPECT_GT(op.last, op.first);
        next = op.last;
      }
      EXPECT_EQ(next, p.groups.size());
      EXPECT_EQ(p.ops.back().op, program.step.size() - 1);
    }
  }
}

TEST(Fuse, NoneIsADispatchForEveryPiece) {
  const Program program = small_program(1, 144);
  const FusedProgram p = fused(Precision::f32, Fusion::none, program);
  EXPECT_EQ(count(p, Work::norm), 5) << "two a layer, and the last";
  EXPECT_EQ(count(p, Work::add), 4);
  EXPECT_EQ(count(p, Work::activate), 2);
  EXPECT_TRUE(std::ranges::all_of(p.groups, [](const Group& g) { return g.lhs == Lhs::fragments; }));
}

TEST(Fuse, TheSolverFollowsThePredictionAtOnceWithoutGuidance) {
  const auto solves = [](const FusedProgram& p) { return std::ranges::count(p.groups, Store::solve, &Group::store); };
  EXPECT_EQ(solves(fused(Precision::f32, Fusion::block, small_program(1, 144))), 1);
  EXPECT_EQ(solves(fused(Precision::f16, Fusion::op, small_program(1, 144))), 0);
  const FusedProgram guided = fused(Precision::f32, Fusion::block, small_program(1, 144, 8, 0, true));
  EXPECT_EQ(solves(guided), 0) << "two predictions make one step";
  EXPECT_EQ(count(guided, Work::solve), 1);
}

TEST(Fuse, AHeadIsOneDispatchOnMatrixHardwareWhereOpsAreJoined) {
  const auto layers = [](const FusedProgram& p) {
    return std::ranges::count_if(p.groups,
                                 [](const Group& g) { return g.store == Store::map || g.store == Store::map_add; });
  };
  for (const Fusion fusion : {Fusion::block, Fusion::persistent}) {
    const FusedProgram p = fused(Precision::f16_matrix, fusion, headed_program(2));
    EXPECT_EQ(count(p, Work::head), 1);
    EXPECT_EQ(layers(p), 0);
    EXPECT_EQ(std::ranges::count(p.groups, Store::pixels, &Group::store), 1);
    EXPECT_EQ(count(p, Work::solve), 1) << "neighbours still look at the picture";
  }
  for (const auto& [precision, fusion] :
       {std::pair{Precision::f16_matrix, Fusion::op}, {Precision::f32, Fusion::block}}) {
    const FusedProgram p = fused(precision, fusion, headed_program(2));
    EXPECT_EQ(count(p, Work::head), 0);
    EXPECT_EQ(layers(p), 3);
  }
  const FusedProgram odd = fused(Precision::f16_matrix, Fusion::block, headed_program(2, 10));
  EXPECT_EQ(count(odd, Work::head), 0) << "its kernel reads whole fragments of channels";
  EXPECT_EQ(layers(odd), 3);
}

TEST(Fuse, RowsAreNormedAsTheyLeaveWhereTilesOfWholeRowsPay) {
  const auto normed = [](Fusion fusion, std::uint32_t batch, std::uint32_t dim, std::uint32_t heads,
                         std::uint32_t head_dim) {
    const FusedProgram p = fused(Precision::f16_matrix, fusion, small_program(batch, dim, heads, head_dim));
    return std::ranges::count_if(p.groups, [](const Group& g) { return g.next_norm.has_value(); });
  };
  EXPECT_EQ(normed(Fusion::block, 64, 512, 1, 128), 2) << "the product after attention, in each of two layers";
  EXPECT_EQ(normed(Fusion::block, 64, 512, 3, 32), 2) << "more heads come before it";
  EXPECT_EQ(normed(Fusion::block, 64, 512, 8, 64), 0) << "weights that leave the cache";
  EXPECT_EQ(normed(Fusion::block, 1, 512, 1, 128), 0) << "too few workgroups";
  EXPECT_EQ(normed(Fusion::block, 64, 144, 1, 128), 0) << "9 fragments among 8 subgroups";
  EXPECT_EQ(normed(Fusion::op, 64, 512, 1, 128), 0);
  EXPECT_EQ(normed(Fusion::persistent, 64, 512, 1, 128), 0);
  EXPECT_EQ(normed(Fusion::persistent, 1, 512, 1, 128), 0);
}

TEST(Fuse, AttentionIsMadeOnTheWayForFewHeads) {
  const auto attends = [](std::uint32_t heads, std::uint32_t head_dim) {
    return count(fused(Precision::f16_matrix, Fusion::block, small_program(64, 512, heads, head_dim)), Work::attention);
  };
  EXPECT_EQ(attends(1, 128), 0);
  EXPECT_EQ(attends(3, 32), 2);
}

TEST(Fuse, PairsThatNoKernelsServeAreRefusedWithTheNearest) {
  for (const auto& [precision, fusion, nearest] : {std::tuple{Precision::f32, Fusion::persistent, "fusion 'block'"},
                                                   std::tuple{Precision::f16, Fusion::persistent, "fusion 'block'"},
                                                   std::tuple{Precision::f16, Fusion::none, "fusion 'op'"}}) {
    try {
      vulkan::expect_served(precision, fusion);
      FAIL() << name_of(precision) << ' ' << name_of(fusion);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::unsupported);
      EXPECT_NE(std::string(error.what()).find(nearest), std::string::npos) << error.what();
    }
  }
  for (const Fusion fusion : {Fusion::none, Fusion::op, Fusion::block, Fusion::persistent})
    EXPECT_NO_THROW(vulkan::expect_served(Precision::f16_matrix, fusion));
}

}  // namespace
}  // namespace dit::test
