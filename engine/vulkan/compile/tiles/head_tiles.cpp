// SPDX-License-Identifier: MIT
#include "engine/vulkan/compile/tiles/head_tiles.h"

#include <algorithm>

#include "engine/vulkan/compile/kernel_call.h"
#include "engine/vulkan/compile/shapes.h"

namespace dit::vulkan {
namespace {

constexpr std::uint32_t most_accumulators = 8;  // of a subgroup: registers hold no more beside what makes them
constexpr std::uint32_t most_down = 4;
// Cycles of a multiprocessor, reasoned from those of products (device_table.cpp), not measured: a multiplication while
// others are under way, one that waits for the one before, and what a layer costs besides.
constexpr double multiply = 4, multiply_alone = 24, layer_start = 600;

/// Pixels that layer `layer` makes of a tile.
std::uint32_t pixels(const HeadTile& tile, const HeadShape& shape, std::uint32_t layer) {
  const std::uint32_t around = 2 * (shape.layers() - 1 - layer);
  return (tile.height + around) * (tile.width + around);
}

/// Fragments of the depth and of columns of a layer.
struct Layer {
  std::uint32_t depth, columns;
};
Layer layer_of(const HeadShape& shape, std::uint32_t layer) {
  const bool last = layer + 1 == shape.layers();
  const std::uint32_t columns = last ? fragments_of(shape.predicted) : shape.hidden_fragments();
  if (layer > 0) return {9 * shape.hidden_fragments(), columns};
  return {9 * fragments_of(shape.map) + 3 * shape.beside_fragments(), columns};
}

double cost(const HeadTile& tile, const HeadShape& shape, const Target& target) {
  double busy = 0, alone = 0;
  for (std::uint32_t i = 0; i < shape.layers(); ++i) {
    const Layer layer = layer_of(shape, i);
    const std::uint32_t fragments = divide_up(pixels(tile, shape, i), 16);
    busy += multiply * fragments * layer.depth * layer.columns;
    alone += layer_start + multiply_alone * divide_up(fragments, target.subgroups()) * layer.depth * layer.columns;
  }
  const std::uint32_t turns = divide_up(tile.count(shape), target.processors);
  return std::max(busy * tile.count(shape) / target.processors, turns * std::max(busy, turns > 1 ? busy : alone));
}

/// Bytes of shared memory of the kernels besides the exchange.
std::uint32_t other_shared_bytes(const Target& target) {
  const std::uint32_t statistics = target.subgroups() * 128;
  const bool emulated = target.matrix_suffix.find("emulated") != std::string::npos;
  return statistics + (emulated ? 36 * target.invocations : 0);
}

}  // namespace

std::uint32_t HeadTile::count(const HeadShape& shape) const {
  return shape.rows * divide_up(shape.height, height) * divide_up(shape.width, width);
}

std::uint32_t HeadTile::shared_quads(const HeadShape& shape) const {
  const std::uint32_t pairs = divide_up(shape.hidden_fragments(), 2), layers = shape.layers();
  const std::uint32_t even = pairs * pixels(*this, shape, 0) * 4;
  const std::uint32_t odd = layers > 2 ? pairs * pixels(*this, shape, 1) * 4 : 0;
  const std::uint32_t words = (height + 2 * layers) * (width + 2 * layers) * shape.beside_words();
  return even + std::max(odd, divide_up(words + shape.beside_fragments() * 8, 4));
}

std::optional<HeadShape> head_at(const Program& program, std::size_t first) {
  const auto* begin = op_at<op::Conv>(program, first);
  if (!begin || begin->residual) return std::nullopt;
  const auto shape = [&](TensorId id) -> const Shape& { return program.tensor(id).shape; };
  std::size_t last = first;
  while (const auto* next = op_at<op::Conv>(program, last + 1)) {
    if (next->x != op_at<op::Conv>(program, last)->y) break;
    ++last;
  }
  const Shape &x = shape(begin->x), &y = shape(op_at<op::Conv>(program, last)->y);
  const HeadShape head = {.first = first,
                          .last = last,
                          .rows = x[0],
                          .height = x[2],
                          .width = x[3],
                          .map = x[1],
                          .beside = begin->picture == no_tensor ? 0 : shape(begin->picture)[1],
                          .hidden = shape(begin->y)[1],
                          .predicted = y[1]};
  for (std::size_t i = first; i <= last; ++i) {
    const op::Conv& o = *op_at<op::Conv>(program, i);
    const bool hidden = i < last, inner = hidden && i > first;
    if (o.bias == no_tensor || o.residual != inner) return std::nullopt;
    if (hidden && (shape(o.y)[1] != head.hidden || o.activation != begin->activation)) return std::nullopt;
    if (!hidden && o.activation != Activation::none) return std::nullopt;
    if (i > first && o.picture != no_tensor) return std::nullopt;
  }
  const bool fits = last > first && head.map % 16 == 0 && head.hidden_fragments() <= most_accumulators &&
                    fragments_of(head.predicted) <= most_accumulators;
  return fits ? std::optional(head) : std::nullopt;
}

std::optional<HeadTile> choose_head_tile(const HeadShape& shape, const Target& target) {
  std::optional<HeadTile> best;
  const auto down = [&](std::uint32_t columns, std::uint32_t all_pixels) {
    const std::uint32_t most = std::clamp(most_accumulators / columns, 1u, most_down);
    return std::min(most, divide_up(divide_up(all_pixels, 16), target.subgroups()));
  };
  for (const std::uint32_t height : {4u, 8u, 16u, 32u}) {
    for (const std::uint32_t width : {8u, 16u, 32u}) {
      HeadTile tile = {.height = height, .width = width};
      if (tile.shared_quads(shape) * 16 + other_shared_bytes(target) > target.shared_bytes) continue;
      tile.down = down(shape.hidden_fragments(), pixels(tile, shape, 0));
      tile.last_down = down(fragments_of(shape.predicted), height * width);
      if (!best || cost(tile, shape, target) < cost(*best, shape, target)) best = tile;
    }
  }
  return best;
}

}  // namespace dit::vulkan
