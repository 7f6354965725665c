// SPDX-License-Identifier: MIT
#include "tests/engine/support/random_weights.h"

#include <cmath>
#include <map>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace dit::test {

std::shared_ptr<Weights> random_weights(const Program& program) {
  auto weights = std::make_shared<Weights>();
  auto owner = std::make_shared<std::map<std::string, std::vector<float>>>();
  std::mt19937 random(11);
  for (const TensorInfo& info : program.tensors) {
    if (info.kind != TensorKind::weight) continue;
    const float fan_in = static_cast<float>(element_count(info.shape) / info.shape.at(0));
    std::normal_distribution<float> normal(0.f, info.shape.size() > 1 ? 1 / std::sqrt(fan_in) : 0.3f);
    std::vector<float>& values = (*owner)[info.name];
    values.resize(element_count(info.shape));
    for (float& value : values) value = normal(random);
    weights->tensors[info.name] = {info.name, DType::f32, info.shape, std::as_bytes(std::span(values))};
  }
  weights->owner = owner;
  return weights;
}

}  // namespace dit::test
