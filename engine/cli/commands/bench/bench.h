// SPDX-License-Identifier: MIT
// What the parts of `dit bench` are given. Each prints what it finds and returns it for the JSON file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/model/model.h"
#include "engine/network/recorder.h"
#include "engine/vulkan/choose/ceilings.h"
#include "engine/vulkan/choose/sweep.h"
#include "engine/vulkan/executor.h"

namespace dit::cli {

struct BenchOptions {
  std::string model;
  std::size_t device = 0;
  std::vector<std::string> precisions = {"f32", "f16", "f16-matrix"};
  std::vector<std::string> fusions = {"none", "op", "block", "single"};
  std::vector<std::uint32_t> batches = {1, 8, 64, 256};
  std::uint32_t steps = 32;
  std::uint32_t runs = 50;
  bool kernels = false;
  bool sweep = false;
  vulkan::SweepRange range;
  bool statistics = false;
  std::string json;
};

/// What all parts need. Icons 0 … B−1 of seed 1 by Euler steps without guidance, the model's first style.
struct BenchSubject {
  const BenchOptions& options;
  std::shared_ptr<const Model> model;
  vulkan::Ceilings ceilings;

  Program program(std::uint32_t batch, std::uint32_t steps) const;
  Request request(const Program& program) const;
};

/// As the device holds them in a precision. The plain kernels read f32 here whatever the file has.
inline ElementSizes sizes_in(Precision precision) {
  return precision == Precision::f32 ? ElementSizes{4, 4} : ElementSizes{2, 2};
}

}  // namespace dit::cli
