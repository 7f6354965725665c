// SPDX-License-Identifier: MIT
#include "engine/model/formats/wts1_layout.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <utility>

#include "engine/error.h"

namespace dit::wts1 {
namespace {

constexpr const char* size_names[size_count] = {"dim",     "3·patch²", "attention width",
                                                "mlp_dim", "cond_dim", "time_dim"};

}  // namespace

/// Every matrix of the network, in the order in which the exporter of the page writes them.
std::vector<Stack> stacks_of(std::uint32_t depth) {
  std::vector<Stack> stacks = {{"patch_embed.weight", {{"patch_embed.weight", Size::dim, Size::pixels}}},
                               {"time_mlp.0.weight", {{"time_mlp.1.weight", Size::condition, Size::time}}},
                               {"time_mlp.2.weight", {{"time_mlp.3.weight", Size::condition, Size::condition}}}};
  const auto norm = [](const std::string& key) {
    return std::array<Role, 2>{Role{key + ".shift.weight", Size::dim, Size::condition},
                               Role{key + ".scale.weight", Size::dim, Size::condition}};
  };
  for (std::uint32_t i = 0; i < depth; ++i) {
    const std::string theirs = fmt::format("block_{}.", i), ours = fmt::format("blocks.{}.", i);
    stacks.push_back({ours + "attn.qkv.weight",
                      {{theirs + "attn.to_q.weight", Size::attention, Size::dim},
                       {theirs + "attn.to_k.weight", Size::attention, Size::dim},
                       {theirs + "attn.to_v.weight", Size::attention, Size::dim}}});
    stacks.push_back({ours + "attn.out.weight", {{theirs + "attn.to_out.weight", Size::dim, Size::attention}}});
    stacks.push_back({ours + "mlp.fc1.weight", {{theirs + "ff.net.0.weight", Size::mlp, Size::dim}}});
    stacks.push_back({ours + "mlp.fc2.weight", {{theirs + "ff.net.2.weight", Size::dim, Size::mlp}}});
    const auto first = norm(theirs + "norm1"), second = norm(theirs + "norm2");
    stacks.push_back({ours + "modulation.weight", {first[0], first[1], second[0], second[1]}});
  }
  const auto last = norm("final_norm");
  stacks.push_back({"final.modulation.weight", {last[0], last[1]}});
  stacks.push_back({"final.linear.weight", {{"to_pixels.weight", Size::pixels, Size::dim}}});
  return stacks;
}

std::uint32_t depth_of(const Weights& tensors) {
  std::uint32_t depth = 0;
  while (tensors.tensors.contains(fmt::format("block_{}.attn.to_q.weight", depth))) ++depth;
  return depth;
}

Layout::Layout(const Weights& tensors, const std::string& file) : file_(file), stacks_(stacks_of(depth_of(tensors))) {
  collect(tensors);
  find_dim();
  vote();
  measure();
}

void Layout::collect(const Weights& tensors) {
  std::set<std::string> known;
  for (const Stack& stack : stacks_) {
    for (const Role& role : stack.parts) {
      const auto found = tensors.tensors.find(role.key);
      expect(found != tensors.tensors.end(), ErrorKind::wrong_format, "weights '{}': tensor '{}': expected, not there",
             file_, role.key);
      const Shape& shape = found->second.shape;
      expect(shape.size() == 2, ErrorKind::wrong_format, "weights '{}': tensor '{}': expected a matrix, found {}",
             file_, role.key, to_string(shape));
      matrices_.push_back({role, shape[0], shape[1]});
      known.insert(role.key);
    }
  }
  for (const auto& [key, view] : tensors.tensors) {
    // The second head predicts x_0 in training only.
    if (known.contains(key) || key.starts_with("proj_fin.")) continue;
    fail(ErrorKind::wrong_format, "weights '{}': tensor '{}' belongs to no favicon diffusor of {} blocks", file_,
         printable(key, name_length), depth_of(tensors));
  }
}

/// The width of the network is the one size that every matrix but those of the time has.
void Layout::find_dim() {
  std::set<std::uint32_t> candidates = {matrices_.front().rows, matrices_.front().columns};
  for (const Matrix& matrix : matrices_) {
    if (!matrix.serves(Size::dim)) continue;
    std::set<std::uint32_t> possible;
    for (const std::uint32_t size : candidates)
      if (matrix.has(size)) possible.insert(size);
    expect(!possible.empty(), ErrorKind::wrong_format,
           "weights '{}': tensor '{}': expected {} along one side as in the tensors before it, found [{},{}]", file_,
           matrix.role.key, fmt::join(candidates, " or "), matrix.rows, matrix.columns);
    candidates = std::move(possible);
  }
  expect(candidates.size() == 1, ErrorKind::wrong_format,
         "weights '{}': the width of the network could be {}: every tensor has both", file_,
         fmt::join(candidates, " or "));
  size(Size::dim) = *candidates.begin();
}

/// Square tensors fit either way; the others must agree.
void Layout::vote() {
  const Matrix* either[2] = {nullptr, nullptr};  // a tensor that is [out,in], and one that is [in,out]
  const auto count = [&](const Matrix& matrix, Size known, std::uint32_t size) {
    if (matrix.rows == matrix.columns || !matrix.has(size)) return;
    const bool rows_are_out = (matrix.rows == size) == (matrix.role.out == known);
    const Matrix*& first = either[rows_are_out ? 0 : 1];
    if (!first) first = &matrix;
  };
  for (const Matrix& matrix : matrices_) {
    if (matrix.serves(Size::dim)) count(matrix, Size::dim, size(Size::dim));
  }
  const auto norm = std::ranges::find_if(
      matrices_, [](const Matrix& m) { return m.role.in == Size::condition && m.role.out == Size::dim; });
  size(Size::condition) = norm->rows == size(Size::dim) ? norm->columns : norm->rows;
  for (const Matrix& matrix : matrices_) {
    if (matrix.role.in == Size::time) count(matrix, Size::condition, size(Size::condition));
  }
  // No expect(): its arguments are read whether they are needed or not.
  if (either[0] && either[1]) {
    fail(ErrorKind::wrong_format,
         "weights '{}': a mix of layouts: tensor '{}' [{},{}] is [out,in], but tensor '{}' [{},{}] is [in,out]", file_,
         either[0]->role.key, either[0]->rows, either[0]->columns, either[1]->role.key, either[1]->rows,
         either[1]->columns);
  }
  expect(either[0] || either[1], ErrorKind::wrong_format,
         "weights '{}': every tensor is square, so nothing tells whether matrices are [out,in] or [in,out]", file_);
  transposed_ = either[1] != nullptr;
}

void Layout::measure() {
  std::array<std::string, size_count> source;
  sizes_ = {};
  for (const Matrix& matrix : matrices_) {
    const std::uint32_t out = transposed_ ? matrix.columns : matrix.rows;
    const std::uint32_t in = transposed_ ? matrix.rows : matrix.columns;
    for (const auto& [which, found] : {std::pair(matrix.role.out, out), std::pair(matrix.role.in, in)}) {
      if (source[static_cast<std::size_t>(which)].empty()) {
        size(which) = found;
        source[static_cast<std::size_t>(which)] = matrix.role.key;
      }
      expect(size(which) == found, ErrorKind::wrong_format,
             "weights '{}': tensor '{}' [{},{}]: expected {} {} as in '{}', found {}", file_, matrix.role.key,
             matrix.rows, matrix.columns, size_names[static_cast<std::size_t>(which)], size(which),
             source[static_cast<std::size_t>(which)], found);
    }
  }
}

}  // namespace dit::wts1
