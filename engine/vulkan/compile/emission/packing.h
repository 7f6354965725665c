// SPDX-License-Identifier: MIT
// Weights as the fused kernels read them: matrices in fragments of 16×16, vectors and positions in padded f32.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/model/weights.h"
#include "engine/vulkan/compile/tensor_layout.h"

namespace dit::vulkan {

/// A tensor read in another order: values `count` along each axis, `stride` apart in the file's order; those from
/// `real` on are 0.
struct Axis {
  std::uint32_t count = 0, stride = 0, real = UINT32_MAX;
  bool operator==(const Axis&) const = default;
};
struct Order {
  std::vector<Axis> axes;  ///< the outermost first; empty: the file's order
  std::uint32_t first = 0;
  std::uint64_t size = 0;  ///< of the tensor
  bool operator==(const Order&) const = default;
};

/// What a plan needs packed, in order, each piece with its place in quads of 16 bytes.
class PackingList {
 public:
  PackingList(bool half, FragmentOrder order) : half_(half), order_(order) {}

  /// Weight [rows, columns] in fragments [row fragments, column fragments].
  std::uint32_t matrix(const std::string& name, ColumnGroups rows, ColumnGroups columns, Order order = {});
  /// f32, each group of columns padded with zeros.
  std::uint32_t floats(const std::string& name, ColumnGroups columns, Order order = {});
  /// f32 [rows, columns], as rows of a tensor.
  std::uint32_t rows(const std::string& name, std::uint32_t rows, ColumnGroups columns);
  /// f32, the product of two vectors.
  std::uint32_t product(const std::string& a, const std::string& b, std::uint32_t count);

  std::uint64_t size_bytes() const { return quads_ * 16; }
  /// All pieces, read from `weights`. errors: wrong_format if a weight is missing or has another size
  std::vector<std::byte> pack(const Weights& weights) const;
  bool operator==(const PackingList&) const = default;

 private:
  struct Piece {
    std::string name, other;  // `other` is multiplied in
    TensorLayout layout;
    Order order;
    std::uint64_t quad = 0;
    bool operator==(const Piece&) const = default;
  };
  std::uint32_t add(Piece piece);

  bool half_;
  FragmentOrder order_;
  std::uint64_t quads_ = 0;
  std::vector<Piece> pieces_;
};

}  // namespace dit::vulkan
