// SPDX-License-Identifier: MIT
// Weights as the kernels want them: matrices in panels of columns, vectors padded, all f32, each packed once.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/cpu/memory.h"
#include "engine/cpu/thread_pool.h"
#include "engine/weights.h"

namespace dit::cpu {

/// Columns of one panel: whole vectors of any width up to 16 lanes, three at a time.
inline constexpr std::size_t panel_columns = 48;

/// A weight [rows O, columns K] for x Wᵀ: panels of 48 outputs, each [K,48], the last one filled up with zeros.
struct PackedMatrix {
  std::size_t rows = 0;
  std::size_t columns = 0;
  const float* values = nullptr;

  std::size_t panels() const noexcept { return (rows + panel_columns - 1) / panel_columns; }
  const float* panel(std::size_t index) const noexcept { return values + index * columns * panel_columns; }
};

/// What a plan asks for.
struct WeightRequest {
  std::string name;
  Shape shape;
  bool matrix = false;
};

/// The weights of one executor, shared by its plans. Grows when a plan asks for names not packed yet.
class WeightStore {
 public:
  explicit WeightStore(std::shared_ptr<const Weights> weights) : weights_(std::move(weights)) {}

  /// Packs what is not there yet.
  /// errors  wrong_format: no such tensor, or another shape; out_of_memory
  void add(const std::vector<WeightRequest>& requests, ThreadPool& pool);

  /// Both were added before. Valid as long as the store.
  const PackedMatrix& matrix(const std::string& name) const { return matrices_.at(name); }
  /// The elements in order, zeros up to a whole panel.
  const float* vector(const std::string& name) const { return vectors_.at(name); }

 private:
  const WeightView& find(const WeightRequest& request) const;

  std::shared_ptr<const Weights> weights_;
  std::map<std::string, PackedMatrix> matrices_;
  std::map<std::string, const float*> vectors_;
  std::vector<Block> blocks_;
};

}  // namespace dit::cpu
