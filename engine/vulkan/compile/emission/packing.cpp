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

/// The values of an order, from axis `axis` on.
void gather(const std::vector<float>& values, const Order& order, std::size_t axis, std::uint64_t from,
            std::vector<float>& out) {
  const Axis& a = order.axes[axis];
  for (std::uint32_t i = 0; i < a.count; ++i, from += a.stride) {
    if (axis + 1 < order.axes.size() && i < a.real) {
      gather(values, order, axis + 1, from, out);
    } else {
      out.push_back(i < a.real ? values.at(from) : 0.0f);
    }
  }
}

}  // namespace

std::uint32_t PackingList::add(Piece piece) {
  const auto known = std::find_if(pieces_.begin(), pieces_.end(), [&piece](const Piece& p) {
    return p.name == piece.name && p.other == piece.other && p.layout == piece.layout && p.order == piece.order;
  });
  if (known != pieces_.end()) return static_cast<std::uint32_t>(known->quad);
  piece.quad = quads_;
  quads_ += (piece.layout.size_bytes() + 15) / 16;
  expect(quads_ <= UINT32_MAX, ErrorKind::unsupported, "weights: more than 64 GiB");
  pieces_.push_back(std::move(piece));
  return static_cast<std::uint32_t>(pieces_.back().quad);
}

std::uint32_t PackingList::matrix(const std::string& name, ColumnGroups rows, ColumnGroups columns, Order order) {
  // The groups of rows stand for "rows" of the layout and what is in them for tokens, so that each group is padded.
  return add({.name = name,
              .other = {},
              .layout = {.kind = TensorLayout::Kind::fragments,
                         .half = half_,
                         .count = std::uint64_t{rows.columns} * columns.columns,
                         .rows = rows.columns / rows.group,
                         .tokens = rows.group,
                         .columns = columns,
                         .order = order_ == FragmentOrder::by_invocation ? FragmentOrder::by_invocation_rhs : order_},
              .order = std::move(order)});
}

std::uint32_t PackingList::floats(const std::string& name, ColumnGroups columns, Order order) {
  return add({.name = name,
              .other = {},
              .layout = {.kind = TensorLayout::Kind::rows,
                         .half = false,
                         .count = columns.columns,
                         .rows = 1,
                         .tokens = 1,
                         .columns = columns},
              .order = std::move(order)});
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
                         .order = order_},
              .order = {}});
}

std::uint32_t PackingList::product(const std::string& a, const std::string& b, std::uint32_t count) {
  return add({.name = a,
              .other = b,
              .layout = {.kind = TensorLayout::Kind::rows,
                         .half = false,
                         .count = count,
                         .rows = 1,
                         .tokens = 1,
                         .columns = {count, count}},
              .order = {}});
}

std::vector<std::byte> PackingList::pack(const Weights& weights) const {
  std::vector<std::byte> bytes(size_bytes());
  for (const Piece& piece : pieces_) {
    const bool as_it_is = piece.order.axes.empty();
    std::vector<float> values = values_of(weights, piece.name, as_it_is ? piece.layout.count : piece.order.size);
    if (!as_it_is) {
      std::vector<float> ordered;
      gather(values, piece.order, 0, piece.order.first, ordered);
      values = std::move(ordered);
    }
    if (!piece.other.empty()) {
      const std::vector<float> other = values_of(weights, piece.other, piece.layout.count);
      for (std::size_t i = 0; i < values.size(); ++i) values[i] *= other[i];
    }
    piece.layout.encode(values, std::span(bytes).subspan(piece.quad * 16, piece.layout.size_bytes()));
  }
  return bytes;
}

}  // namespace dit::vulkan
