// SPDX-License-Identifier: MIT
#include "tests/engine/support/golden.h"

#include <algorithm>
#include <cmath>

namespace dit::test {

std::string golden_path(const std::string& file) { return std::string(DIT_SOURCE_DIR) + "/tests/golden/" + file; }

Golden::Golden(const std::string& name) : weights_(safetensors::open(golden_path(name + ".activations.safetensors"))) {
  const auto object = [this](const char* key) {
    const auto found = weights_->metadata.find(key);
    return found == weights_->metadata.end() ? nlohmann::json::object() : nlohmann::json::parse(found->second);
  };
  stride_ = object("stride");
  max_ = object("max");
  shape_ = object("shape");
}

GoldenTensor Golden::tensor(const std::string& label) const {
  const WeightView& view = weights_->tensors.at(label);
  GoldenTensor tensor{read_f32(view), stride_.value(label, std::size_t{1}), 0, view.shape};
  if (shape_.contains(label)) tensor.shape = shape_.at(label).get<Shape>();
  for (const float value : tensor.values) tensor.max = std::max<double>(tensor.max, std::fabs(value));
  tensor.max = max_.value(label, tensor.max);
  return tensor;
}

std::vector<std::uint32_t> Golden::words(std::size_t r) const {
  const GoldenTensor table = tensor("in.words");
  const std::size_t width = table.shape.at(1);
  std::vector<std::uint32_t> words;
  for (std::size_t i = 0; i < width; ++i) {
    const auto word = static_cast<std::uint32_t>(table.values.at(r * width + i));
    if (word != 0) words.push_back(word);
  }
  return words;
}

std::vector<std::string> Golden::labels() const {
  std::vector<std::string> labels;
  for (const auto& [label, view] : weights_->tensors) labels.push_back(label);
  return labels;
}

}  // namespace dit::test
