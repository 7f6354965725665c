// SPDX-License-Identifier: MIT
// Golden files: what the PyTorch reference network computes. Written by training/golden.py.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/model/formats/safetensors.h"
#include "engine/model/weights.h"

namespace dit::test {

/// One golden tensor: every stride-th element of the flattened tensor, and the largest magnitude of all elements.
struct GoldenTensor {
  std::vector<float> values;
  std::size_t stride = 1;
  double max = 0;
  Shape shape;
};

/// tests/golden/<name>.activations.safetensors
class Golden {
 public:
  explicit Golden(const std::string& name);
  bool has(const std::string& label) const { return weights_->tensors.contains(label); }
  GoldenTensor tensor(const std::string& label) const;
  /// Word rows of input row r, without the padding.
  std::vector<std::uint32_t> words(std::size_t r) const;
  std::vector<std::string> labels() const;

 private:
  std::shared_ptr<const Weights> weights_;
  nlohmann::json stride_, max_, shape_;
};

/// Path of a file in tests/golden.
std::string golden_path(const std::string& file);

}  // namespace dit::test
