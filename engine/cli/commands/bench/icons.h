// SPDX-License-Identifier: MIT
// `dit bench`: whole icons, and every dispatch of a step.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "engine/cli/commands/bench/bench.h"

namespace dit::cli {

/// Rows for every precision, batch and fusion that the device runs.
nlohmann::json bench_icons(const BenchSubject& subject);

}  // namespace dit::cli
