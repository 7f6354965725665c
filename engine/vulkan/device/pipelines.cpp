// SPDX-License-Identifier: MIT
#include "engine/vulkan/device/pipelines.h"

#include <algorithm>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "engine/cores.h"
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

/// Calls work(0) to work(count − 1) on this thread and on others, until one throws or `cancel` is set. Where the system
/// has no more threads, on those that there are. Gives the first that was thrown.
std::exception_ptr on_all_cores(std::size_t count, const std::atomic<bool>& cancel,
                                const std::function<void(std::size_t)>& work) {
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::exception_ptr problem;
  const auto go_on = [&] {
    for (std::size_t i = next++; i < count && !cancel.load(); i = next++) {
      try {
        work(i);
      } catch (...) {
        next = count;
        const std::lock_guard lock(mutex);
        if (!problem) problem = std::current_exception();
      }
    }
  };
  std::vector<std::jthread> others;
  try {
    while (others.size() + 1 < std::min<std::size_t>(count, available_cores())) others.emplace_back(go_on);
  } catch (const std::system_error&) {
    // One thread builds them too.
  }
  go_on();
  others.clear();
  return problem;
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
  return built_.emplace(std::move(key), make(call)).first->second;
}

void Pipelines::build(std::span<const KernelCall* const> calls, const std::atomic<bool>& cancel) {
  if (sources_) return;
  std::map<KernelKey, const KernelCall*> missing;
  for (const KernelCall* call : calls) {
    KernelKey key(call->kernel, call->constants);
    if (!built_.contains(key)) missing.emplace(std::move(key), call);
  }
  std::vector<const KernelCall*> wanted;
  for (const auto& [key, call] : missing) wanted.push_back(call);
  std::vector<std::optional<Pipeline>> pipelines(wanted.size());
  const std::exception_ptr problem =
      on_all_cores(wanted.size(), cancel, [&](std::size_t i) { pipelines[i] = make(*wanted[i]); });
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!pipelines[i]) continue;
    unkept_ = true;
    built_.emplace(KernelKey(wanted[i]->kernel, wanted[i]->constants), std::move(*pipelines[i]));
  }
  if (problem) std::rethrow_exception(problem);
  if (cancel.load()) throw Cancelled();
}

Pipeline Pipelines::make(const KernelCall& call) const {
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
  if (device_.abilities().statistics) {
    flags |= vk::PipelineCreateFlagBits::eCaptureStatisticsKHR |
             vk::PipelineCreateFlagBits::eCaptureInternalRepresentationsKHR;
  }
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
