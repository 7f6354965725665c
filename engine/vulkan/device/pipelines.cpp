// SPDX-License-Identifier: MIT
#include "engine/vulkan/device/pipelines.h"

#include <stdexcept>

#include "engine/vulkan/device/pipeline_file.h"
#include "shaders/spirv.h"

namespace dit::vulkan {

vk::DescriptorType descriptor_type(const Operand& operand) {
  return is_uniform(operand.region) ? vk::DescriptorType::eUniformBuffer : vk::DescriptorType::eStorageBuffer;
}

namespace {

/// An edited kernel is held to the bindings that the host offers: a driver need not notice.
void check_bindings(std::span<const std::uint32_t> words, std::uint32_t offered) {
  constexpr std::uint32_t header_words = 5, op_decorate = 71, decoration_binding = 33;  // SPIR-V 1.6, 2.3 and 3.52.8
  for (std::size_t i = header_words; i < words.size() && words[i] >> 16 != 0; i += words[i] >> 16) {
    if ((words[i] & 0xffff) != op_decorate || words[i + 2] != decoration_binding) continue;
    if (words[i + 3] >= offered)
      throw ShaderError(fmt::format("expected bindings below {}, found {}", offered, words[i + 3]));
  }
}

}  // namespace

Pipelines::Pipelines(Device& device, CacheFolder folder)
    : device_(device),
      sources_(ShaderSources::of_environment()),
      folder_(sources_ ? CacheFolder() : std::move(folder)),
      cache_(load_pipelines(device, folder_)),
      generation_(sources_ ? std::make_shared<Generation>() : nullptr) {}

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
  pipeline.bindings = static_cast<std::uint32_t>(call.operands.size());
  for (std::uint32_t i = 0; i < pipeline.bindings; ++i) {
    bindings.emplace_back(i, descriptor_type(call.operands[i]), 1, vk::ShaderStageFlagBits::eCompute);
  }
  pipeline.set_layout = vk::raii::DescriptorSetLayout(device, vk::DescriptorSetLayoutCreateInfo({}, bindings));
  const vk::PushConstantRange push(vk::ShaderStageFlagBits::eCompute, 0,
                                   static_cast<std::uint32_t>(call.push.size() * sizeof(std::uint32_t)));
  pipeline.layout = vk::raii::PipelineLayout(device, vk::PipelineLayoutCreateInfo({}, *pipeline.set_layout, push));
  pipeline.handle = build_handle({call.kernel, call.constants}, pipeline);
  return pipeline;
}

vk::raii::Pipeline Pipelines::build_handle(const KernelKey& key, const Pipeline& pipeline) const {
  if (!sources_) return build_handle(key, pipeline, spirv(key.first));
  try {
    return build_handle(key, pipeline, sources_->words(key.first));
  } catch (const std::runtime_error& error) {
    if (device_.lost()) throw;
    sources_->reject(key.first, error.what());
  }
  return build_handle(key, pipeline, sources_->words(key.first));
}

vk::raii::Pipeline Pipelines::build_handle(const KernelKey& key, const Pipeline& pipeline,
                                           std::span<const std::uint32_t> words) const {
  const auto& [kernel, values] = key;
  if (sources_) check_bindings(words, pipeline.bindings);
  const vk::raii::Device& device = device_.handle();
  const vk::raii::ShaderModule module(
      device, vk::ShaderModuleCreateInfo({}, words.size() * sizeof(std::uint32_t), words.data()));
  std::vector<vk::SpecializationMapEntry> entries;
  for (std::uint32_t i = 0; i < values.size(); ++i) entries.emplace_back(i, i * 4, 4);
  const vk::SpecializationInfo constants(static_cast<std::uint32_t>(entries.size()), entries.data(), values.size() * 4,
                                         values.data());
  vk::PipelineShaderStageCreateFlags whole;
  if (kernel.ends_with(suffix(MatrixExtension::khr)))
    whole |= vk::PipelineShaderStageCreateFlagBits::eRequireFullSubgroups;
  const vk::PipelineShaderStageCreateInfo stage(whole, vk::ShaderStageFlagBits::eCompute, *module, "main", &constants);
  vk::PipelineCreateFlags flags;
  if (device_.abilities().statistics) flags |= vk::PipelineCreateFlagBits::eCaptureStatisticsKHR;
  vk::raii::Pipeline handle(device, cache_, vk::ComputePipelineCreateInfo(flags, stage, *pipeline.layout));
  device_.name(handle, kernel);
  return handle;
}

void Pipelines::refresh() {
  if (!sources_) return;
  std::vector<vk::raii::Pipeline> replaced;
  for (const std::string& kernel : sources_->refresh()) replace(kernel, replaced);
  if (replaced.empty()) return;
  generation_->replaced = std::move(replaced);
  generation_->next = std::make_shared<Generation>();
  generation_ = generation_->next;
}

/// All pipelines of a kernel, or none.
void Pipelines::replace(const std::string& kernel, std::vector<vk::raii::Pipeline>& replaced) {
  std::vector<std::pair<Pipeline*, vk::raii::Pipeline>> others;
  try {
    for (auto& [key, pipeline] : built_) {
      if (key.first == kernel) others.emplace_back(&pipeline, build_handle(key, pipeline, sources_->words(kernel)));
    }
  } catch (const std::runtime_error& error) {
    if (device_.lost()) throw;
    sources_->reject(kernel, error.what());
    return;
  }
  for (auto& [pipeline, handle] : others) replaced.push_back(std::exchange(pipeline->handle, std::move(handle)));
}

}  // namespace dit::vulkan
