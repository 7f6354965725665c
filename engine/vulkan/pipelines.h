// SPDX-License-Identifier: MIT
// Kernels, built once for each set of specialization constants that a program asks for.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/vulkan/device.h"
#include "engine/vulkan/lower.h"

namespace dit::vulkan {

vk::DescriptorType descriptor_type(const Operand& operand);

struct Pipeline {
  vk::raii::DescriptorSetLayout set_layout{nullptr};
  vk::raii::PipelineLayout layout{nullptr};
  vk::raii::Pipeline handle{nullptr};
};

/// Owns every pipeline of an executor; the Device must outlive it.
class Pipelines {
 public:
  explicit Pipelines(Device& device);

  /// The pipeline that runs `call`, built on first use. The reference stays valid.
  const Pipeline& get(const KernelCall& call);

 private:
  Pipeline build(const KernelCall& call) const;

  Device& device_;
  vk::raii::PipelineCache cache_;
  std::map<std::pair<std::string, std::vector<std::uint32_t>>, Pipeline> built_;
};

}  // namespace dit::vulkan
