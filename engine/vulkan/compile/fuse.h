// SPDX-License-Identifier: MIT
// First pass: which pieces of which ops share a dispatch, and nothing else. Knows no Vulkan.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/vulkan/compile/shapes.h"
#include "engine/vulkan/compile/target.h"
#include "shaders/common/stage.h"

namespace dit::vulkan {

/// What a group does besides its prologue and epilogue.
enum class Work : std::uint32_t {
  product = STAGE_PRODUCT,
  norm = STAGE_NORM,
  attention = STAGE_ATTENTION,
  activate = STAGE_ACTIVATE,
  add = STAGE_ADD,
  noise = STAGE_NOISE,
  overlap = STAGE_OVERLAP,
  solve = STAGE_SOLVE,
  rgba = STAGE_RGBA,
  windows = STAGE_WINDOWS,
  begin = STAGE_BEGIN,
  hold = STAGE_HOLD,
  head = STAGE_HEAD,
  plain,  ///< all of an op, by the kernels that serve one op each
};

/// Prologue of a product: where its left side comes from.
enum class Lhs : std::uint32_t {
  fragments = LHS_FRAGMENTS,  ///< memory
  norm = LHS_NORM,            ///< rows, normed and modulated on the way
  windows = LHS_WINDOWS,      ///< of the image
  attention = LHS_ATTENTION,  ///< of q, k and v, computed on the way
};

/// Epilogue of a product, or of the sum of overlapping windows: where its result goes.
enum class Store : std::uint32_t {
  fragments = STORE_FRAGMENTS,  ///< act(v + bias)
  rows = STORE_ROWS,            ///< v + bias
  add = STORE_ADD,              ///< residual += gate · (v + bias)
  embed = STORE_EMBED,          ///< v + bias + position
  image = STORE_IMAGE,          ///< the prediction
  solve = STORE_SOLVE,          ///< the solver's step with v + bias as the prediction
  map = STORE_MAP,              ///< an image: act(v + bias)
  map_add = STORE_MAP_ADD,      ///< the same, added to the image that was multiplied
  pixels = STORE_PIXELS,        ///< the map that a head begins with
};

/// What one dispatch does, or one turn of the persistent dispatch.
struct Group {
  Work work = Work::plain;
  Lhs lhs = Lhs::fragments;
  Store store = Store::fragments;
  std::size_t op = 0;                         ///< in Program::step: whose sizes, weights and result
  std::optional<std::size_t> attention = {};  ///< op that the prologue computes
  std::optional<std::size_t> next_norm = {};  ///< op whose norm the epilogue makes
  std::optional<std::size_t> solver = {};     ///< op::Combine that the epilogue does
  std::optional<std::size_t> head = {};       ///< first op::Conv of a head, the last of which is `op`
  bool lhs_in_scratch = false;                ///< a group before has made the left side
  bool noisy = false;                         ///< the prologue draws the noise of icons that begin
  bool activates = true;                      ///< the epilogue applies the op's activation
};

/// Groups first … last − 1 end with an op's output in memory.
struct GroupedOp {
  std::size_t op = 0;
  std::uint32_t first = 0, last = 0;
};

struct FusedProgram {
  std::vector<Group> groups;
  std::vector<GroupedOp> ops;  ///< those whose output is in memory afterwards
};

/// The groups of a program's step, in order.
/// errors  unsupported, naming the op that the fused kernels do not serve
FusedProgram fuse(const Program& program, const Target& target);

}  // namespace dit::vulkan
