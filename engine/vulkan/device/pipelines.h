// SPDX-License-Identifier: MIT
// Kernels, built once for each set of specialization constants that a program asks for.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/files/cache_folder.h"
#include "engine/vulkan/compile/kernel_call.h"
#include "engine/vulkan/device/device.h"
#include "engine/vulkan/device/sources/shader_sources.h"

namespace dit::vulkan {

vk::DescriptorType descriptor_type(const Operand& operand);

struct Pipeline {
  std::uint32_t bindings = 0;
  vk::raii::DescriptorSetLayout set_layout{nullptr};
  vk::raii::PipelineLayout layout{nullptr};
  vk::raii::Pipeline handle{nullptr};
};

/// Kernel and constants.
using KernelKey = std::pair<std::string, std::vector<std::uint32_t>>;

/// Owns every pipeline of an executor; the Device must outlive it.
///
/// Where DIT_SHADER_DIR is set, kernels are compiled from there, and refresh() replaces the handles of those that were
/// edited. Nothing of them is kept for other runs.
class Pipelines {
 public:
  /// folder  where compiled kernels are kept between runs
  /// errors  as ShaderCompiler
  explicit Pipelines(Device& device, CacheFolder folder = CacheFolder::of_user());

  /// Builds what is missing for these calls, on as many threads as the machine has cores: a driver may take half a
  /// second for one. Those of DIT_SHADER_DIR are left to get().
  /// errors  as get(); Cancelled: no other is begun, and those that were finished are kept
  void build(std::span<const KernelCall* const> calls, const std::atomic<bool>& cancel);
  /// The pipeline that runs `call`, built on first use. The reference stays valid.
  const Pipeline& get(const KernelCall& call);
  using Built = std::map<KernelKey, Pipeline>;
  const Built& built() const noexcept { return built_; }
  /// Keeps what has been built since the last time, for other runs.
  void keep() noexcept;

  /// Whether kernels come from DIT_SHADER_DIR.
  bool from_sources() const noexcept { return sources_ != nullptr; }
  /// Builds the kernels that were edited. One that cannot be built stays as it was, and notice() says why.
  void refresh();
  Notice notice() const { return sources_ ? sources_->notice() : Notice(); }
  /// Another one once handles have been replaced. The replaced live as long as somebody holds one from before that:
  /// who has recorded commands with them. Null unless from_sources().
  std::shared_ptr<const void> generation() const noexcept { return generation_; }

 private:
  struct Generation {
    std::vector<vk::raii::Pipeline> replaced;  // at its end
    std::shared_ptr<Generation> next;          // who holds this one may use what a later one replaced
  };

  Pipeline make(const KernelCall& call) const;
  vk::raii::Pipeline build_handle(const KernelKey& key, const Pipeline& pipeline) const;
  vk::raii::Pipeline build_handle(const KernelKey& key, const Pipeline& pipeline,
                                  std::span<const std::uint32_t> words) const;
  void replace(const std::string& kernel, std::vector<vk::raii::Pipeline>& replaced);

  Device& device_;
  std::unique_ptr<ShaderSources> sources_;
  CacheFolder folder_;
  vk::raii::PipelineCache cache_;
  bool unkept_ = false;
  std::shared_ptr<Generation> generation_;
  Built built_;
};

}  // namespace dit::vulkan
