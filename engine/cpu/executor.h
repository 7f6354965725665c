// SPDX-License-Identifier: MIT
// The CPU executor: the golden answer for tests, and the one that paints where there is no GPU.
#pragma once

#include <memory>

#include "engine/executor.h"
#include "engine/model/weights.h"

namespace dit::cpu {

/// threads  0 = one per available core
DeviceInfo describe(unsigned threads);

/// Whether this executor has the precision, and the processor what it needs.
bool serves(Precision precision) noexcept;

/// Packs the weights once, in the precision of the file or that of the products.
/// precision  automatic and f32 compute in f32; int8 multiplies bytes (kernels/int8.h), bf16 and int16 pairs of 16 bits
///            (kernels/pairs/pairs.h) where the processor does
/// errors  unsupported for a precision that this executor or the processor does not have
std::unique_ptr<Executor> open(std::shared_ptr<const Weights> weights, const DeviceOptions& options = {});

}  // namespace dit::cpu
