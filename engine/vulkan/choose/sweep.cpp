// SPDX-License-Identifier: MIT
#include "engine/vulkan/choose/sweep.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "engine/vulkan/choose/self_test.h"
#include "engine/vulkan/device/stopwatch.h"
#include "engine/vulkan/run/plan.h"
#include "engine/vulkan/run/weights.h"

namespace dit::vulkan {
namespace {

constexpr std::uint32_t repeats = 20;
constexpr std::uint32_t usual_workgroup = 256;

Shared open_shared(std::shared_ptr<const Weights> weights, std::size_t index, bool statistics) {
  Shared shared;
  shared.device = open_device(index, statistics);
  shared.source = std::move(weights);
  shared.pipelines = std::make_shared<Pipelines>(*shared.device, CacheFolder());
  return shared;
}

/// What makes two products the same work.
using ProductKey = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t, Lhs, Store>;
ProductKey key_of(const ProductShape& s, const Group& group) {
  return {s.row_fragments, s.column_fragments, s.depth_fragments, group.lhs, group.store};
}

/// Room for sums is found when the tile is known.
bool is(Tile wanted, const Tile& found) {
  wanted.sum_fragments = found.sum_fragments;
  return wanted == found;
}

class Sweep {
 public:
  Sweep(Shared& shared, const Program& program, const Request& request, Mode mode)
      : shared_(shared), program_(program), request_(request), mode_(mode), watch_(*shared.device) {}

  /// Every product, once a shape, as the plan with these choices runs it.
  std::vector<SweptProduct> run(std::uint32_t invocations, std::optional<Tile> tile);
  /// Tiles that the kernel may be able to run for some of these products.
  std::vector<Tile> tiles(const std::vector<SweptProduct>& products, std::uint32_t invocations) const;

 private:
  double time(const Launch& launch);

  Shared& shared_;
  const Program& program_;
  const Request& request_;
  Mode mode_;
  Stopwatch watch_;
};

double Sweep::time(const Launch& launch) {
  const auto some = [&](std::uint32_t count) {
    return [&launch, count](const vk::raii::CommandBuffer& commands) {
      for (std::uint32_t i = 0; i < count; ++i) {
        record_launch(commands, launch, 0);
        kernel_barrier(commands);
      }
    };
  };
  std::vector<double> times;
  for (int i = 0; i < 3; ++i) times.push_back(watch_.time(some(repeats), some(2)) / repeats);
  std::sort(times.begin(), times.end());
  return times[1];
}

std::vector<SweptProduct> Sweep::run(std::uint32_t invocations, std::optional<Tile> tile) {
  shared_.forced = {invocations, tile, std::nullopt};
  VulkanPlan plan(shared_, program_, mode_.precision, mode_.fusion);
  plan.set_request(request_);
  plan.prepare(never_cancelled);
  plan.run(0, 1, never_cancelled);  // so that the kernels find numbers, not zeros
  std::map<ProductKey, bool> seen;
  std::vector<SweptProduct> products;
  for (const LaunchedOp& op : plan.schedule().step) {
    for (const Launch& launch : op.launches) {
      const TiledGroup& group = *launch.group;
      if (group.group.work != Work::product) continue;
      if (tile && !is(*tile, group.tile)) continue;  // this product cannot run it
      const ProductShape shape = shape_of(program_, group.group);
      if (std::exchange(seen[key_of(shape, group.group)], true)) continue;
      // Tiles that pass through shared memory bring their own size of workgroup.
      products.push_back({op.op->label, shape, group.tile.subgroups() * 32, shared_.device->abilities().processors,
                          group.tile, time(launch), false});
    }
  }
  return products;
}

std::vector<Tile> Sweep::tiles(const std::vector<SweptProduct>& products, std::uint32_t invocations) const {
  // As if there were all the shared memory in the world: what does not fit is not taken up by a plan.
  Target target = target_of(*shared_.device, mode_.precision, mode_.fusion, {invocations, std::nullopt, std::nullopt});
  target.shared_bytes = 1u << 24;
  std::vector<Tile> all;
  for (const SweptProduct& product : products) {
    ProductShape shape = product.shape;
    for (const Tile& tile : possible_tiles(shape, target)) {
      if (std::find(all.begin(), all.end(), tile) == all.end()) all.push_back(tile);
    }
  }
  return all;
}

std::string text_of(const KernelKey& key) {
  std::string text = key.first;
  for (const std::uint32_t constant : key.second) text += fmt::format(" {}", constant);
  return text;
}

std::string text_of(const vk::PipelineExecutableStatisticKHR& statistic) {
  using Format = vk::PipelineExecutableStatisticFormatKHR;
  switch (statistic.format) {
    case Format::eBool32:
      return statistic.value.b32 ? "yes" : "no";
    case Format::eInt64:
      return fmt::format("{}", statistic.value.i64);
    case Format::eUint64:
      return fmt::format("{}", statistic.value.u64);
    case Format::eFloat64:
      return fmt::format("{:g}", statistic.value.f64);
  }
  return "?";
}

/// The last that a driver's compiler makes of a kernel is what the device runs.
std::string assembly_of(const vk::raii::Device& device, const vk::PipelineExecutableInfoKHR& info) {
  const auto* table = device.getDispatcher();
  const VkPipelineExecutableInfoKHR what = info;
  std::uint32_t count = 0;
  table->vkGetPipelineExecutableInternalRepresentationsKHR(*device, &what, &count, nullptr);
  std::vector<VkPipelineExecutableInternalRepresentationKHR> all(
      count, {VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INTERNAL_REPRESENTATION_KHR, nullptr, {}, {}, 0, 0, nullptr});
  table->vkGetPipelineExecutableInternalRepresentationsKHR(*device, &what, &count, all.data());
  if (all.empty() || !all.back().isText) return {};
  std::string text(all.back().dataSize, '\0');
  for (auto& one : all) one.dataSize = 0;  // of the others nothing is asked
  all.back().dataSize = text.size();
  all.back().pData = text.data();
  table->vkGetPipelineExecutableInternalRepresentationsKHR(*device, &what, &count, all.data());
  text.resize(std::min(text.size(), text.find('\0')));
  return text;
}

/// As a plan's, but without its memory.
void build_kernels(const Shared& shared, const Program& program, const Target& target) {
  expect(target.plain() || shared.device->abilities().stages, ErrorKind::unsupported,
         "{}: the fused kernels need 11 storage buffers a kernel and 60 KiB of uniform buffer",
         shared.device->info().name);
  const CompiledProgram compiled = compile(program, target);
  Places places = consecutive_places(compiled.layouts);
  for (const TensorInfo& tensor : program.tensors) {
    const bool weight = tensor.kind == TensorKind::weight;
    places.weight_types.push_back(weight ? placed_dtype(shared.source->tensors.at(tensor.name), false) : DType::f32);
  }
  const EmittedProgram emitted = emit(program, compiled.layouts, compiled.tiled, target, places);
  const std::vector<std::vector<KernelCall>> prepare = emit_prepare(program, compiled.layouts, target, places);
  shared.pipelines->build(calls_of(emitted, prepare), never_cancelled);
}

}  // namespace

std::vector<SweptProduct> sweep_products(std::shared_ptr<const Weights> weights, std::size_t index,
                                         const Program& program, const Request& request, Precision precision,
                                         Fusion fusion, const SweepRange& range,
                                         const std::function<void(const std::string&)>& progress) {
  Shared shared = open_shared(weights, index, false);
  place_weights(*shared.device, *weights, false, shared.weights);
  return translated("sweep on " + shared.device->info().name, [&] {
    Sweep sweep(shared, program, request, {precision, fusion});
    std::vector<SweptProduct> all;
    const vk::PhysicalDeviceLimits& limits = shared.device->limits();
    for (const std::uint32_t invocations : range.workgroups) {
      if (invocations > std::min(limits.maxComputeWorkGroupInvocations, limits.maxComputeWorkGroupSize[0])) continue;
      std::vector<SweptProduct> usual;
      try {
        usual = sweep.run(invocations, std::nullopt);
      } catch (const Error&) {
        if (shared.device->lost() || invocations == usual_workgroup) throw;
        continue;  // the model's stages do not fit in such a workgroup
      }
      std::vector<Tile> tiles = sweep.tiles(usual, invocations);
      tiles.resize(std::min(tiles.size(), range.most_tiles));
      for (SweptProduct& product : usual) product.chosen = invocations == usual_workgroup;
      all.insert(all.end(), usual.begin(), usual.end());
      for (std::size_t i = 0; i < tiles.size(); ++i) {
        progress(fmt::format("workgroups of {}: tile {} of {}", invocations, i + 1, tiles.size()));
        try {
          const std::vector<SweptProduct> forced = sweep.run(invocations, tiles[i]);
          all.insert(all.end(), forced.begin(), forced.end());
        } catch (const Error&) {
          // Some other stage does not fit beside it.
          if (shared.device->lost()) throw;
        }
      }
    }
    return all;
  });
}

std::vector<KernelStatistics> kernel_statistics(std::shared_ptr<const Weights> weights, std::size_t index,
                                                const Program& program, Precision precision, Fusion fusion,
                                                std::uint32_t processors) {
  Shared shared = open_shared(weights, index, true);
  if (!shared.device->abilities().statistics) return {};
  return translated("statistics of " + shared.device->info().name, [&] {
    Target target = target_of(*shared.device, precision, fusion);
    if (processors > 0) target.processors = processors;
    build_kernels(shared, program, target);
    const vk::raii::Device& device = shared.device->handle();
    std::vector<KernelStatistics> all;
    for (const auto& [key, pipeline] : shared.pipelines->built()) {
      KernelStatistics kernel{text_of(key), {}, {}};
      const auto parts = device.getPipelineExecutablePropertiesKHR(vk::PipelineInfoKHR(*pipeline.handle));
      for (std::uint32_t part = 0; part < parts.size(); ++part) {
        const vk::PipelineExecutableInfoKHR info(*pipeline.handle, part);
        for (const auto& statistic : device.getPipelineExecutableStatisticsKHR(info))
          kernel.values.emplace_back(statistic.name.data(), text_of(statistic));
        kernel.assembly += assembly_of(device, info);
      }
      all.push_back(std::move(kernel));
    }
    return all;
  });
}

}  // namespace dit::vulkan
