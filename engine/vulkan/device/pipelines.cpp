// SPDX-License-Identifier: MIT
#include "engine/vulkan/device/pipelines.h"

#include "engine/vulkan/device/pipeline_file.h"
#include "shaders/spirv.h"

namespace dit::vulkan {

vk::DescriptorType descriptor_type(const Operand& operand) {
  return is_uniform(operand.region) ? vk::DescriptorType::eUniformBuffer : vk::DescriptorType::eStorageBuffer;
}

Pipelines::Pipelines(Device& device, CacheFolder folder)
    : device_(device), folder_(std::move(folder)), cache_(load_pipelines(device, folder_)) {}

void Pipelines::keep() noexcept {
  if (unkept_) keep_pipelines(device_, folder_, cache_);
  unkept_ = false;
}

const Pipeline& Pipelines::get(const KernelCall& call) {
  KernelKey key(call.kernel, call.constants);
  const auto found = built_.find(key);
  if (found != built_.end()) return found->second;
  unkept_ = true;
  return built_.emplace(std::move(key), build(call)).first->second;
}

Pipeline Pipelines::build(const KernelCall& call) const {
  const vk::raii::Device& device = device_.handle();
  Pipeline pipeline;
  std::vector<vk::DescriptorSetLayoutBinding> bindings;
  for (std::uint32_t i = 0; i < call.operands.size(); ++i) {
    bindings.emplace_back(i, descriptor_type(call.operands[i]), 1, vk::ShaderStageFlagBits::eCompute);
  }
  pipeline.set_layout = vk::raii::DescriptorSetLayout(device, vk::DescriptorSetLayoutCreateInfo({}, bindings));
  const vk::PushConstantRange push(vk::ShaderStageFlagBits::eCompute, 0,
                                   static_cast<std::uint32_t>(call.push.size() * sizeof(std::uint32_t)));
  pipeline.layout = vk::raii::PipelineLayout(device, vk::PipelineLayoutCreateInfo({}, *pipeline.set_layout, push));

  const std::span<const std::uint32_t> words = spirv(call.kernel);
  const vk::raii::ShaderModule module(
      device, vk::ShaderModuleCreateInfo({}, words.size() * sizeof(std::uint32_t), words.data()));
  std::vector<vk::SpecializationMapEntry> entries;
  for (std::uint32_t i = 0; i < call.constants.size(); ++i) entries.emplace_back(i, i * 4, 4);
  const vk::SpecializationInfo constants(static_cast<std::uint32_t>(entries.size()), entries.data(),
                                         call.constants.size() * 4, call.constants.data());
  vk::PipelineShaderStageCreateFlags whole;
  if (call.kernel.ends_with(suffix(MatrixExtension::khr)))
    whole |= vk::PipelineShaderStageCreateFlagBits::eRequireFullSubgroups;
  const vk::PipelineShaderStageCreateInfo stage(whole, vk::ShaderStageFlagBits::eCompute, *module, "main", &constants);
  vk::PipelineCreateFlags flags;
  if (device_.abilities().statistics) flags |= vk::PipelineCreateFlagBits::eCaptureStatisticsKHR;
  pipeline.handle = vk::raii::Pipeline(device, cache_, vk::ComputePipelineCreateInfo(flags, stage, *pipeline.layout));
  device_.name(pipeline.handle, call.kernel);
  return pipeline;
}

}  // namespace dit::vulkan
