// SPDX-License-Identifier: MIT
// `dit bench`: what the device can do at most.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "engine/cli/commands/bench/bench.h"

namespace dit::cli {

nlohmann::json bench_ceilings(const BenchSubject& subject);

}  // namespace dit::cli
