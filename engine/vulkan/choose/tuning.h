// SPDX-License-Identifier: MIT
// What measures fastest on this device becomes of an automatic fusion.
#pragma once

#include "engine/vulkan/choose/self_test.h"
#include "engine/vulkan/choose/tuning_file.h"

namespace dit::vulkan {

/// The fusion to run a program with, in the precision of `usual`: what was remembered, else the fastest of those that
/// the device runs and the self-test accepts, and `usual` if there is none. Measuring takes about a second besides
/// building kernels, once for a device, its driver and a program's shape.
/// test    may be empty: nothing is judged
/// errors  Cancelled (nothing is remembered), device: it is lost
Fusion tuned_fusion(Shared& shared, const Program& program, Mode usual, const SelfTestSource& test,
                    const TuningFile& file, const std::atomic<bool>& cancel);

}  // namespace dit::vulkan
