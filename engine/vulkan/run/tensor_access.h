// SPDX-License-Identifier: MIT
// A plan's tensors in and out as f32, and its ops one by one. Slow; for tests and captures.
#pragma once

#include <span>
#include <vector>

#include "engine/vulkan/run/recording.h"
#include "engine/vulkan/run/ring.h"

namespace dit::vulkan {

/// All that it is made of must outlive it. Nothing may be pending on the device.
/// thread  one at a time
class TensorAccess {
 public:
  TensorAccess(Device& device, const Program& program, const Schedule& schedule, const Ring& ring);

  /// errors  settings, see Plan; those of Vulkan as they come
  std::vector<float> read(TensorId id) const;
  void write(TensorId id, std::span<const float> values) const;

  /// Runs one op of a step, for these icons, and shows its output.
  void capture(const LaunchedOp& op, std::uint32_t step, std::span<const IconPoint> icons,
               const Checkpoint& checkpoint) const;

 private:
  void check_activation(TensorId id, const char* what) const;
  bool on_host(TensorId id) const { return memory().tensor(id).buffer->mapped() != nullptr; }
  TensorLayout layout(TensorId id) const;
  const Placement& memory() const { return *schedule_.memory; }

  Device& device_;
  const Program& program_;
  const Schedule& schedule_;
  const Ring& ring_;
};

}  // namespace dit::vulkan
