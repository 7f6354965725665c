// SPDX-License-Identifier: MIT
// Weights as the kernels want them: matrices in panels of columns, vectors padded, each packed once.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/cpu/memory.h"
#include "engine/cpu/thread_pool.h"
#include "engine/model/weights.h"

namespace dit::cpu {

/// Columns of one panel: whole vectors of any width up to 16 lanes, three at a time.
inline constexpr std::size_t panel_columns = 48;
/// Bytes of 32 rows of a quantised panel.
inline constexpr std::size_t packed_group_bytes = panel_columns * (sizeof(float) + group_size);
/// The same for a product of integers, which also needs their sums.
inline constexpr std::size_t int8_group_bytes = panel_columns * (2 * sizeof(float) + group_size);
/// Products of pairs go this deep at least; what is not as deep ends in zeros.
inline constexpr std::size_t pair_group = 64;
constexpr std::size_t pair_depth(std::size_t depth) noexcept {
  return (depth + pair_group - 1) / pair_group * pair_group;
}

/// A weight [rows O, columns K] for x Wᵀ: panels of 48 outputs, each [K,48], the last one filled up with zeros. Weights
/// are exact in f32 once they are in a register; in memory they keep the file's precision, and so its traffic:
///   f32       [K,48]
///   f16       [K,48]
///   int8_g32  every quantised type; for each 32 of K: 48 scales as f32, then [32,48] integers
///   i8        for a product of integers, see int8.h
///   bf16      for a product of pairs, see pairs/pairs.h: [pair_depth(K)/2,48,2]
///   i16       the same after 48 scales as f32
struct PackedMatrix {
  std::size_t rows = 0;
  std::size_t columns = 0;
  DType dtype = DType::f32;
  const std::byte* values = nullptr;

  /// Bytes of `depth` rows of a panel; a multiple of 32 for int8_g32.
  static constexpr std::size_t piece_bytes(DType dtype, std::size_t depth) noexcept {
    if (dtype == DType::int8_g32) return depth / group_size * packed_group_bytes;
    if (dtype == DType::i8) return depth / group_size * int8_group_bytes;
    if (dtype == DType::bf16) return pair_depth(depth) * panel_columns * 2;
    if (dtype == DType::i16) return (pair_depth(depth) / 2 + 1) * panel_columns * 4;
    return depth * panel_columns * (dtype == DType::f16 ? 2 : 4);
  }
  std::size_t panels() const noexcept { return (rows + panel_columns - 1) / panel_columns; }
  std::size_t panel_bytes() const noexcept { return piece_bytes(dtype, columns); }
  const std::byte* panel(std::size_t index) const noexcept { return values + index * panel_bytes(); }
};

/// What a plan asks for.
struct WeightRequest {
  std::string name;
  Shape shape;
  bool matrix = false;
  /// i8, bf16 or i16: as the right side of such a product; columns a multiple of 32 for i8. f32: as the file has it.
  /// bf16 where it is no matrix: weights of a convolution by pack_taps(), see pairs/pairs.h
  DType product = DType::f32;
};

/// The weights of one executor, shared by its plans. Grows when a plan asks for names not packed yet.
class WeightStore {
 public:
  /// expand  quantised matrices are packed as f32, so that no product has to unpack them
  explicit WeightStore(std::shared_ptr<const Weights> weights, bool expand = false)
      : weights_(std::move(weights)), expand_(expand) {}

  /// Packs what is not there yet.
  /// errors  wrong_format: no such tensor, another shape, or numbers that are not finite; out_of_memory
  void add(const std::vector<WeightRequest>& requests, ThreadPool& pool);

  /// Both were added before. Valid as long as the store.
  const PackedMatrix& matrix(const std::string& name) const { return matrices_.at(name); }
  /// The elements in order, zeros up to a whole panel; or what pack_taps() made of them.
  const float* vector(const std::string& name) const { return vectors_.at(name); }

 private:
  struct Job {
    const WeightView* view;
    const WeightRequest* request;
    std::size_t offset;  // bytes
  };
  const WeightView& find(const WeightRequest& request) const;
  void pack(const Job& job, std::byte* out, ThreadPool& pool);
  DType panel_type(const WeightRequest& request, DType dtype) const;
  std::size_t packed_bytes(const WeightRequest& request, DType dtype) const;

  std::shared_ptr<const Weights> weights_;
  bool expand_;
  std::map<std::string, PackedMatrix> matrices_;
  std::map<std::string, const float*> vectors_;
  std::vector<Block> blocks_;
};

}  // namespace dit::cpu
