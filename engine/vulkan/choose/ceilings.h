// SPDX-License-Identifier: MIT
// What a device can do at most, and which of it bounds some work. This header needs no Vulkan header.
#pragma once

#include <cstddef>

#include "engine/network/work.h"

namespace dit::vulkan {

/// What the device can do at most, as kernels of ceiling.comp measure it; medians.
struct Ceilings {
  double copy_gb_s = 0;        ///< read and written by a kernel that copies a large buffer
  double f32_tflop_s = 0;      ///< multiply-adds from registers
  double matrix_tflop_s = 0;   ///< 16×16×16 products of f16 from registers; 0: not offered
  double dispatch_us = 0;      ///< an empty dispatch and a barrier
  double alternating_us = 0;   ///< the same, of two pipelines in turn
  double grid_barrier_us = 0;  ///< of all workgroups of a persistent dispatch; 0: they do not stay resident
  double submit_us = 0;        ///< an empty submission, until the host has waited for it
};

/// errors  device, out_of_memory
Ceilings measure_ceilings(std::size_t index);

/// The ceiling that bounds some work, and the share of it that was reached.
struct Share {
  const char* bound = "none";  ///< "matrix", "f32", "copy", "dispatch" or "barrier"
  double share = 0;
};

/// What work cannot do without: dispatches, or barriers of a persistent one.
struct Launches {
  double dispatches = 0, barriers = 0;
};

Share share_of(const Ceilings& ceilings, const Work& work, double microseconds, bool matrix, const Launches& launches);

}  // namespace dit::vulkan
