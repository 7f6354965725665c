// SPDX-License-Identifier: MIT
// How a program becomes stages: op by op in stages.cpp, tiles and shared memory in stage_products.cpp.
#pragma once

#include <utility>

#include "engine/error.h"
#include "engine/vulkan/compile/lower.h"
#include "engine/vulkan/compile/stages.h"

namespace dit::vulkan {

// Cycles that a stage costs besides its work: a barrier among all workgroups, or the end of a dispatch.
constexpr double stage_cost = 3000;

/// Turns one op after the other into stages, looking one op ahead where two are fused.
class Staging {
 public:
  Staging(const Program& program, const StageOptions& options, const StageLayouts& layouts, const StagePlaces& places,
          const Tile* like)
      : program_(program), options_(options), layouts_(layouts), places_(places), like_(like) {
    result_.packing = PackingList(options.half(), options.order());
  }

  StagedProgram make() {
    for (at_ = 0; at_ < program_.step.size(); ++at_) {
      const auto first = static_cast<std::uint32_t>(result_.work.size());
      const bool shown = std::visit([this](const auto& o) { return stage(o); }, program_.step[at_].what);
      const auto last = static_cast<std::uint32_t>(result_.work.size());
      if (shown && last > first) result_.ops.push_back({at_, first - waiting_, last});
      waiting_ = shown ? 0 : waiting_ + last - first;
    }
    expect(result_.work.size() <= STAGES_LIMIT, ErrorKind::unsupported,
           "the fused kernels serve {} stages a step, the model needs {}", STAGES_LIMIT, result_.work.size());
    return std::move(result_);
  }
  double cost() const { return cost_; }

 private:
  bool fused() const { return options_.fusion == Fusion::block || options_.fusion == Fusion::single; }
  bool split() const { return options_.fusion == Fusion::none; }
  const Shape& shape(TensorId id) const { return program_.tensor(id).shape; }
  const std::string& label() const { return program_.step[at_].label; }
  const std::string& name(TensorId id) const { return program_.tensor(id).name; }
  const TensorLayout& layout(TensorId id) const { return layouts_.tensors[id]; }
  template <typename Wanted>
  const Wanted* op_at(std::size_t at) const {
    return at < program_.step.size() ? std::get_if<Wanted>(&program_.step[at].what) : nullptr;
  }
  template <typename Next>
  const Next* next() const {
    return op_at<Next>(at_ + 1);
  }
  std::uint32_t quads_a_block() const { return options_.half() ? 32 : 64; }
  TileLimits limits() const;
  Tile choose(const ProductShape& shape) const {
    return choose_tile(shape, limits(), like_, options_.forced ? &*options_.forced : nullptr);
  }
  /// Eights of a row that each of its invocations keeps while `row_fragments` blocks of rows are normed: all, up to 8.
  std::uint32_t held(std::uint32_t depth_fragments, std::uint32_t row_fragments) const {
    return std::min(8u, divide_up(depth_fragments * 2, options_.invocations / (16 * row_fragments)));
  }

  bool stage(const op::Noise& o);
  bool stage(const op::Linear&) { return false; }  // refused by stage_layouts()
  bool stage(const op::Embed& o);
  bool stage(const op::ModulatedLinear& o);
  bool stage(const op::Attention& o);
  bool stage(const op::GatedLinearAdd& o);
  bool stage(const op::Final& o);
  bool stage(const op::Combine& o);
  bool stage(const op::ToRgba& o);

  /// A stage of `kind` whose rows are those of a tensor [R,T,…].
  params::Stage make_stage(std::uint32_t kind, std::uint32_t rows, std::uint32_t tokens) const;
  void image(params::Stage& s, const Shape& shape, TensorId x) const;
  void modulate(params::Stage& s, const op::Modulation& m, std::uint32_t width, const Norm* norm) const;
  void matrix(params::Stage& s, TensorId weight, TensorId bias, ColumnGroups rows, ColumnGroups columns);
  void attention_fields(params::Stage& s, const op::Attention& o);
  /// Whether tiles of whole rows pay for the product of op `at`, so that it makes the norm of the next op, too.
  bool fills_rows(std::size_t at) const;
  /// Whether the solver can follow `o` at once.
  bool solves(const op::Final& o) const;

  void add_pointwise(params::Stage s, std::uint64_t invocations);
  void add_attention(params::Stage s);
  /// The tile, then the stage. most_rows: blocks of rows a tile may have
  void add_product(params::Stage s, std::uint32_t most_rows = UINT32_MAX);
  /// Norm or windows on the way or before, whichever is cheaper, and the product.
  void add_made_product(const params::Stage& s, std::uint32_t maker);
  // The same on matrix hardware.
  void add_lane_attention(params::Stage s);
  void add_lane_product(params::Stage s, const Tile& tile, const ProductShape& shape);
  /// `s` is that product; the one of the next op then finds its left side made.
  void add_product_of_rows(params::Stage s);
  void add_maker(const params::Stage& s, std::uint32_t maker);
  bool attention_fits_product(const params::Stage& s) const;
  std::uint32_t attention_floats(const params::Stage& s) const;

  const Program& program_;
  const StageOptions& options_;
  const StageLayouts& layouts_;
  const StagePlaces& places_;
  const Tile* like_;
  StagedProgram result_;
  std::size_t at_ = 0;
  std::uint32_t waiting_ = 0;                       // stages since the last op that showed its output
  bool noise_waits_ = false;                        // the embed that follows makes the noise
  const op::Attention* attention_waits_ = nullptr;  // the product that follows computes it
  bool norm_done_ = false;                          // the left side of the product that follows is made
  const op::Final* final_done_ = nullptr;           // whose solver step is done already
  double cost_ = 0;
};

}  // namespace dit::vulkan
