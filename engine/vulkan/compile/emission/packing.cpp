// SPDX-License-Identifier: MIT
#include "engine/vulkan/compile/emission/packing.h"

#include <algorithm>
#include <utility>

#include "engine/error.h"

namespace dit::vulkan {
namespace {

std::vector<float> values_of(const Weights& weights, const std::string& name, std::uint64_t count) {
  const auto found = weights.tensors.find(name);
  expect(found != weights.tensors.end(), ErrorKind::wrong_format, "weights '{}': expected {} values, found nothing",
         name, count);
  std::vector<float> values = read_f32(found->second);
  expect(values.size() == count, ErrorKind::wrong_format, "weights '{}': expected {} values, found {}", name, count,
         values.size());
  return values;
}

}  // namespace

std::uint32_t PackingList::add(Piece piece) {
  const auto known = std::find_if(pieces_.begin(), pieces_.end(), [&piece](const Piece& p) {
    return p.name == piece.name && p.other == piece.other && p.layout == piece.layout;
  });
  if (known != pieces_.end()) return static_cast<std::uint32_t>(known->quad);
  piece.quad = quads_;
  quads_ += (piece.layout.size_bytes() + 15) / 16;
  expect(quads_ <= UINT32_MAX, ErrorKind::unsupported, "weights: more than 64 GiB");
  pieces_.push_back(std::move(piece));
  return static_cast<std::uint32_t>(pieces_.back().quad);
}

std::uint32_t PackingList::matrix(const std::string& name, ColumnGroups rows, ColumnGroups columns) {
  // The groups of rows stand for "rows" of the layout and what is in them for tokens, so that each group is padded.
  return add({.name = name,
              .other = {},
              .layout = {.kind = TensorLayout::Kind::fragments,
                         .half = half_,
                         .count = std::uint64_t{rows.columns} * columns.columns,
                         .rows = rows.columns / rows.group,
                         .tokens = rows.group,
                         .columns = columns,
                         .order = order_ == FragmentOrder::by_invocation ? FragmentOrder::by_invocation_rhs : order_}});
}

std::uint32_t PackingList::floats(const std::string& name, ColumnGroups columns) {
  return add({.name = name,
              .other = {},
              .layout = {.kind = TensorLayout::Kind::rows,
                         .half = false,
                         .count = columns.columns,
                         .rows = 1,
                         .tokens = 1,
                         .columns = columns}});
}

std::uint32_t PackingList::rows(const std::string& name, std::uint32_t rows, ColumnGroups columns) {
  return add({.name = name,
              .other = {},
              .layout = {.kind = TensorLayout::Kind::rows,
                         .half = false,
                         .count = std::uint64_t{rows} * columns.columns,
                         .rows = 1,
                         .tokens = rows,
                         .columns = columns,
                         .order = order_}});
}

std::uint32_t PackingList::product(const std::string& a, const std::string& b, std::uint32_t count) {
  return add({.name = a,
              .other = b,
              .layout = {.kind = TensorLayout::Kind::rows,
                         .half = false,
                         .count = count,
                         .rows = 1,
                         .tokens = 1,
                         .columns = {count, count}}});
}

std::vector<std::byte> PackingList::pack(const Weights& weights) const {
  std::vector<std::byte> bytes(size_bytes());
  for (const Piece& piece : pieces_) {
    std::vector<float> values = values_of(weights, piece.name, piece.layout.count);
    if (!piece.other.empty()) {
      const std::vector<float> other = values_of(weights, piece.other, piece.layout.count);
      for (std::size_t i = 0; i < values.size(); ++i) values[i] *= other[i];
    }
    piece.layout.encode(values, std::span(bytes).subspan(piece.quad * 16, piece.layout.size_bytes()));
  }
  return bytes;
}

}  // namespace dit::vulkan
