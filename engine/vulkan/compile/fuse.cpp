// SPDX-License-Identifier: MIT
#include "engine/vulkan/compile/fuse.h"

#include <algorithm>
#include <utility>

#include "engine/error.h"
#include "engine/vulkan/compile/kernel_call.h"
#include "engine/vulkan/compile/tile.h"
#include "engine/vulkan/compile/tiles/head_tiles.h"

namespace dit::vulkan {
namespace {

/// Goes from op to op, looking ahead where a piece may move into a neighbour's prologue or epilogue.
class Fusing {
 public:
  Fusing(const Program& program, const Target& target)
      : program_(program), target_(target), columns_(column_groups(program)) {}

  FusedProgram make() {
    for (at_ = 0; at_ < program_.step.size(); ++at_) {
      if (std::visit([this](const auto& o) { return group(o); }, program_.step[at_].what)) close_op();
    }
    expect(result_.groups.size() <= STAGES_LIMIT, ErrorKind::unsupported,
           "the fused kernels serve {} stages a step, the model needs {}", STAGES_LIMIT, result_.groups.size());
    return std::move(result_);
  }

 private:
  template <typename Next>
  const Next* next() const {
    return op_at<Next>(program_, at_ + 1);
  }
  const Shape& shape(TensorId id) const { return program_.tensor(id).shape; }

  void add(Group group) {
    group.op = at_;
    result_.groups.push_back(group);
  }
  /// The output of the op at work is in memory once all groups so far have run.
  void close_op() {
    const auto last = static_cast<std::uint32_t>(result_.groups.size());
    if (last > first_open_) result_.ops.push_back({at_, first_open_, last});
    first_open_ = last;
  }

  // Each adds the groups of an op; false: its output never is in memory, or that of another op is instead.
  bool group(const op::Noise& o);
  bool group(const op::Linear&);
  bool group(const op::HeadNorm&);
  bool group(const op::Embed& o);
  bool group(const op::ModulatedLinear& o);
  bool group(const op::Attention& o);
  bool group(const op::GatedLinearAdd& o);
  bool group(const op::Final& o);
  bool group(const op::Conv& o);
  bool group(const op::Combine& o);
  bool group(const op::ToRgba& o);
  bool group(const op::Begin& o);
  bool group(const op::Hold& o);

  /// `product` with its left side made on the way, or by a group of its own before it, whichever is cheaper.
  void add_with_prologue(Group product, Lhs prologue, Work maker);
  bool attention_fits_prologue(const op::Attention& o) const;
  /// The head that begins with op `first`, where one stage runs all of it.
  std::optional<HeadShape> joined_head(std::size_t first) const;
  /// Whether tiles of whole rows pay for the product of op `at`, so that its epilogue makes the norm of the next op.
  bool fills_rows(std::size_t at) const;

  const Program& program_;
  const Target& target_;
  const std::vector<ColumnGroups> columns_;
  FusedProgram result_;
  std::size_t at_ = 0;
  std::uint32_t first_open_ = 0;                  // first group whose op's output is not in memory yet
  bool noise_pending_ = false;                    // the embed that follows draws the noise
  std::optional<std::size_t> attention_pending_;  // the product that follows computes it
  std::optional<HeadShape> head_;                 // that the op at work is a layer of
  bool norm_done_ = false;                        // the left side of the product that follows lies in scratch
};

bool Fusing::group(const op::Noise& o) {
  const auto* embed = next<op::Embed>();
  noise_pending_ =
      target_.joins_ops() && embed && embed->x == o.x && embed->window == embed->patch && embed->patch % 4 == 0;
  // On matrix hardware the noise of 16 tokens passes through shared memory.
  if (noise_pending_ && target_.matrix()) noise_pending_ = shape(embed->weight)[1] * 64 <= target_.shared_bytes / 2;
  if (noise_pending_) return false;
  add({.work = Work::noise});
  return true;
}

bool Fusing::group(const op::Linear&) {
  fail(ErrorKind::unsupported, "op '{}': the fused kernels serve no plain product in a step", program_.step[at_].label);
}

bool Fusing::group(const op::HeadNorm&) {
  fail(ErrorKind::unsupported, "op '{}': the fused kernels serve no norm of its own in a step",
       program_.step[at_].label);
}

bool Fusing::group(const op::Embed&) {
  add_with_prologue({.work = Work::product, .store = Store::embed, .noisy = noise_pending_}, Lhs::windows,
                    Work::windows);
  return true;
}

bool Fusing::group(const op::ModulatedLinear& o) {
  const bool apart = target_.splits_ops();
  const Group product = {.work = Work::product, .store = Store::fragments, .activates = !apart};
  if (std::exchange(norm_done_, false)) {
    Group from_scratch = product;
    from_scratch.lhs_in_scratch = true;
    add(from_scratch);
  } else {
    add_with_prologue(product, Lhs::norm, Work::norm);
  }
  if (apart && o.activation != Activation::none) add({.work = Work::activate});
  return true;
}

bool Fusing::group(const op::Attention& o) {
  const auto* follows = next<op::GatedLinearAdd>();
  // Each tile of the product computes the attention of its rows anew, so that pays for few heads and few tiles only.
  // So does a product of whole rows, but then once.
  const std::uint32_t row_fragments = attention_shape(program_, o).row_fragments();
  const Costs& costs = target_.table.costs;
  const bool few = o.heads <= costs.joined_heads &&
                   (row_fragments * costs.joined_row_turns <= target_.processors || fills_rows(at_ + 1));
  // A stage has one eps: that of the heads' norms, unless it makes the next norm too.
  const bool one_eps = o.q_norm == no_tensor || !fills_rows(at_ + 1) ||
                       o.norm_eps == op_at<op::ModulatedLinear>(program_, at_ + 2)->norm.eps;
  if (target_.joins_ops() && follows && follows->x == o.y && few && one_eps && attention_fits_prologue(o)) {
    attention_pending_ = at_;
    return false;
  }
  add({.work = Work::attention});
  return true;
}

bool Fusing::group(const op::GatedLinearAdd&) {
  Group product = {.work = Work::product, .store = Store::add};
  product.attention = std::exchange(attention_pending_, std::nullopt);
  if (product.attention) product.lhs = Lhs::attention;
  if (fills_rows(at_)) {
    product.next_norm = at_ + 1;
    norm_done_ = true;
  } else if (target_.splits_ops()) {
    product.store = Store::rows;
  }
  add(product);
  if (product.store == Store::rows) add({.work = Work::add});
  return true;
}

bool Fusing::group(const op::Final& o) {
  const auto* combine = next<op::Combine>();
  const bool overlap = o.window > o.patch;
  const bool solved = target_.joins_ops() && combine && combine->prediction == o.y && !program_.shape.guided &&
                      (overlap || o.patch % 4 == 0);
  const bool map = joined_head(at_ + 1) && op_at<op::Conv>(program_, at_ + 1)->x == o.y && !overlap;
  const Store last = solved ? Store::solve : map ? Store::pixels : Store::image;
  const std::optional<std::size_t> solver = solved ? std::optional(at_ + 1) : std::nullopt;
  add_with_prologue({.work = Work::product, .store = overlap ? Store::rows : last, .solver = solver}, Lhs::norm,
                    Work::norm);
  if (overlap) add({.work = Work::overlap, .store = last, .solver = solver});
  return !solved;
}

bool Fusing::group(const op::Conv& o) {
  if (!head_ && !result_.groups.empty() && result_.groups.back().store == Store::pixels) head_ = joined_head(at_);
  if (head_) {
    if (head_->last > at_) return false;
    add({.work = Work::head, .store = Store::image, .head = std::exchange(head_, std::nullopt)->first});
    return true;
  }
  // What is around each pixel is a window of three that overlaps others, of patches of one pixel.
  add_with_prologue({.work = Work::product, .store = o.residual ? Store::map_add : Store::map}, Lhs::windows,
                    Work::windows);
  return true;
}

bool Fusing::group(const op::Combine&) {
  if (result_.groups.empty() || result_.groups.back().solver != at_) add({.work = Work::solve});
  return true;
}

bool Fusing::group(const op::ToRgba&) {
  add({.work = Work::rgba});
  return true;
}

bool Fusing::group(const op::Begin&) {
  add({.work = Work::begin});
  return true;
}

bool Fusing::group(const op::Hold&) {
  add({.work = Work::hold});
  return true;
}

void Fusing::add_with_prologue(Group product, Lhs prologue, Work maker) {
  const std::uint32_t rows = product_of(program_, columns_, at_).row_fragments();
  const auto cost_of = [&](bool with_prologue) {
    return product_cost(program_, columns_, at_, target_, with_prologue);
  };
  const std::optional<double> together = cost_of(true), apart = cost_of(false);
  const Costs& costs = target_.table.costs;
  const double making = costs.call + costs.prologue * divide_up(rows, target_.processors);
  const bool joined =
      !target_.splits_ops() && together && (!target_.joins_ops() || !apart || *together <= *apart + making);
  if (joined) {
    product.lhs = prologue;
  } else {
    Group first = product;
    first.work = maker;
    add(first);
    product.lhs_in_scratch = true;
  }
  add(product);
}

bool Fusing::attention_fits_prologue(const op::Attention& o) const {
  const AttentionShape s = attention_shape(program_, o);
  if (target_.matrix()) {
    // Each subgroup makes fragments of one head alone, in a tile of either number of subgroups.
    for (const std::uint32_t subgroups : {target_.subgroups() / 2, target_.subgroups()}) {
      const Tile deep = {.subgroups_deep = subgroups};
      const std::uint32_t share = deep.lhs_share({.depth_fragments = s.heads * s.head_fragments()});
      if (share > most_lhs_share || s.head_fragments() % share != 0) return false;
    }
    // Scores, and attention where a product of whole rows hands it round.
    return s.heads * (s.key_fragments() * 1024 + s.head_fragments() * 512) <= target_.shared_bytes;
  }
  const std::uint32_t lhs = s.heads * s.head_fragments() * target_.quads_a_fragment();
  const std::uint32_t scratch = s.heads * s.wide_fragments() * target_.quads_a_fragment();
  const std::uint32_t floats = std::max(s.shared_floats(s.heads, target_.invocations), target_.invocations * 8);
  return target_.invocations % (16 * s.heads) == 0 && (lhs + scratch) * 16 + floats * 4 <= target_.shared_bytes;
}

std::optional<HeadShape> Fusing::joined_head(std::size_t first) const {
  if (!target_.matrix() || !target_.joins_ops()) return std::nullopt;
  const std::optional<HeadShape> head = head_at(program_, first);
  return head && choose_head_tile(*head, target_) ? head : std::nullopt;
}

bool Fusing::fills_rows(std::size_t at) const {
  const auto* o = op_at<op::GatedLinearAdd>(program_, at);
  const auto* normed = op_at<op::ModulatedLinear>(program_, at + 1);
  if (!o || !normed || normed->x != o->residual || normed->modulation.table != o->modulation.table) return false;
  if (!target_.matrix() || target_.fusion != Fusion::block) return false;
  const MatrixCosts& costs = target_.table.costs.matrix;
  const Product product = product_of(program_, columns_, at);
  const std::uint32_t subgroups = target_.subgroups(), columns = product.columns.fragments();
  const bool shared_evenly = columns % subgroups == 0 && columns / subgroups <= costs.row_columns_a_subgroup;
  const bool cached = columns * product.depth.fragments() <= costs.cached_fragments;
  return shared_evenly && cached && product.row_fragments() * costs.full_row_turns >= target_.processors;
}

/// A group an op: the plain kernels take programs of any length.
FusedProgram identity(const Program& program) {
  FusedProgram result;
  for (std::uint32_t i = 0; i < program.step.size(); ++i) {
    result.groups.push_back({.work = Work::plain, .op = i});
    result.ops.push_back({.op = i, .first = i, .last = i + 1});
  }
  return result;
}

}  // namespace

FusedProgram fuse(const Program& program, const Target& target) {
  return target.plain() ? identity(program) : Fusing(program, target).make();
}

}  // namespace dit::vulkan
