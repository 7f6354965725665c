// SPDX-License-Identifier: MIT
// The CPU executor: the golden answer for tests, and the one that paints where there is no GPU.
#pragma once

#include <memory>

#include "engine/executor.h"
#include "engine/model/weights.h"

namespace dit::cpu {

/// threads  0 = one per available core
DeviceInfo describe(unsigned threads);

/// Packs the weights once, in the precision of the file.
/// precision  automatic and f32 compute in f32; int8 multiplies bytes where the processor does (int8.h)
/// errors  unsupported for a precision that this executor does not have
std::unique_ptr<Executor> open(std::shared_ptr<const Weights> weights, const DeviceOptions& options = {});

}  // namespace dit::cpu
