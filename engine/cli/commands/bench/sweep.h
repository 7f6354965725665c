// SPDX-License-Identifier: MIT
// `dit bench`: tiles and workgroups of products; statistics of kernels.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "engine/cli/commands/bench/bench.h"

namespace dit::cli {

/// Every product shape, tile and size of workgroup, in every precision and batch.
nlohmann::json bench_sweep(const BenchSubject& subject);
/// What the driver tells of the kernels, in every precision and fusion.
nlohmann::json bench_statistics(const BenchSubject& subject);

}  // namespace dit::cli
