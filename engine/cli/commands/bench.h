// SPDX-License-Identifier: MIT
// The parts of `dit bench`. Each prints what it finds and returns it for the JSON file.
//   bench.cpp          options, order, the file
//   bench_ceilings.cpp what the device can do at most
//   bench_icons.cpp    whole icons, and every dispatch of a step
//   bench_sweep.cpp    tiles and workgroups of products; statistics of kernels
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/model/model.h"
#include "engine/network/recorder.h"
#include "engine/vulkan/choose/measure.h"
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

nlohmann::json bench_ceilings(const BenchSubject& subject);
/// Rows for every precision, batch and fusion that the device runs.
nlohmann::json bench_icons(const BenchSubject& subject);
/// Every product shape, tile and size of workgroup, in every precision and batch.
nlohmann::json bench_sweep(const BenchSubject& subject);
/// What the driver tells of the kernels, in every precision and fusion.
nlohmann::json bench_statistics(const BenchSubject& subject);

}  // namespace dit::cli
