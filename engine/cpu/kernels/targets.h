// SPDX-License-Identifier: MIT
// Which SIMD instructions the kernels use. Chosen by the processor at run time; tests force each one.
#pragma once

#include <string>
#include <vector>

namespace dit::cpu {

/// The name of the target in use, e.g. "AVX3".
std::string target();
/// Every compiled target that this processor can run, best first.
std::vector<std::string> usable_targets();
/// Makes all kernels of the process use `name`, or the best target again if it is empty. For tests, between runs.
/// errors  Error{settings} if this processor cannot run it
void force_target(const std::string& name);
/// Best single-thread rate of independent multiply-adds on the target in use, in GFLOP/s: the floor of any kernel.
double measure_peak_gflops();

}  // namespace dit::cpu
