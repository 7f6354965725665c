// SPDX-License-Identifier: MIT
// Which way to compute is right on this device, and what to do instead where one is not.
#pragma once

#include <string>

#include "engine/session/self_test.h"
#include "engine/vulkan/run/schedule.h"

namespace dit::vulkan {

struct Mode {
  Precision precision = Precision::f32;
  Fusion fusion = Fusion::op;
  bool operator==(const Mode&) const = default;
};

/// Why the small network comes out wrong in this mode; empty if it comes out right, and where kernels come from
/// DIT_SHADER_DIR. Remembers what passed.
/// errors  device: it is lost
std::string failure_of(const Shared& shared, Mode mode, const SelfTest& test);

struct Trusted {
  Mode mode;
  std::string warning;  ///< what failed, by how much, and what is used instead; empty: nothing did
};

/// `wanted`, or where it fails the next of: single, block, op; then the same in the next of f16-matrix, f16, f32. The
/// plain kernels (f32, op) are what is left, and are not judged.
/// errors  device: it is lost
Trusted trusted_mode(const Shared& shared, Mode wanted, const SelfTest& test);

}  // namespace dit::vulkan
