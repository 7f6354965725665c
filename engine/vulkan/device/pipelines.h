// SPDX-License-Identifier: MIT
// Kernels, built once for each set of specialization constants that a program asks for.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/files/cache_folder.h"
#include "engine/vulkan/compile/kernel_call.h"
#include "engine/vulkan/device/device.h"

namespace dit::vulkan {

vk::DescriptorType descriptor_type(const Operand& operand);

struct Pipeline {
  vk::raii::DescriptorSetLayout set_layout{nullptr};
  vk::raii::PipelineLayout layout{nullptr};
  vk::raii::Pipeline handle{nullptr};
};

/// Kernel and constants.
using KernelKey = std::pair<std::string, std::vector<std::uint32_t>>;

/// Owns every pipeline of an executor; the Device must outlive it.
class Pipelines {
 public:
  /// folder  where compiled kernels are kept between runs
  explicit Pipelines(Device& device, CacheFolder folder = CacheFolder::of_user());

  /// The pipeline that runs `call`, built on first use. The reference stays valid.
  const Pipeline& get(const KernelCall& call);
  using Built = std::map<KernelKey, Pipeline>;
  const Built& built() const noexcept { return built_; }
  /// Keeps what has been built since the last time, for other runs.
  void keep() noexcept;

 private:
  Pipeline build(const KernelCall& call) const;

  Device& device_;
  CacheFolder folder_;
  vk::raii::PipelineCache cache_;
  bool unkept_ = false;
  Built built_;
};

}  // namespace dit::vulkan
