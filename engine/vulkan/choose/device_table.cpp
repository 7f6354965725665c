// SPDX-License-Identifier: MIT
#include "engine/vulkan/choose/device_table.h"

#include <array>

namespace dit::vulkan {
namespace {

// NVIDIA H200, driver 580.159.04. Portable: fitted to `dit bench --sweep` of products of 512, 4096 and 16384 rows.
// Matrix: fitted to all tiles of the products of 64, 4096 and 16384 rows of the favicon diffusor's shape, KHR matrices.
constexpr Costs h200 = {.call = 3000,
                        .prologue = 1500,
                        .joined_heads = 2,
                        .joined_row_turns = 16,
                        .portable = {.multiply_rate = 200,
                                     .l2_bytes = 5500,
                                     .l2_bytes_one = 64,
                                     .shared_fragment = 14,
                                     .load_latency = 700,
                                     .depth_fragment = 60,
                                     .store = 300,
                                     .store_fragment = 60,
                                     .store_shared_fragment = 150,
                                     .prologue = 1200,
                                     .chunked = 3000,
                                     .chunked_fragment = 400,
                                     .chunked_rate_scale = 1300},
                        .matrix = {.load_fragment = 4,
                                   .multiply_fragment = 3.1,
                                   .load_latency = 600,
                                   .l2_bytes = 5500,
                                   .start = 900,
                                   .prologue = 900,
                                   .step_share = 0.8,
                                   .row_column = 2,
                                   .store = 300,
                                   .store_fragment = 60,
                                   .shared_store = 500,
                                   .shared_store_fragment = 250,
                                   .many_load = 0.45,
                                   .many_multiply = 5.16,
                                   .many_fragment = 18,
                                   .many_turn = 2430,
                                   .many_start = 10800,
                                   .many_l2_bytes = 4000,
                                   .many_lhs = 1.16,
                                   .many_small_tile = 1.25,
                                   .many_row_fragments = 128,
                                   .registers = 65536,
                                   .fragment_registers = 192,
                                   .other_registers = 46,
                                   .cached_fragments = 256,
                                   .row_columns_a_subgroup = 4,
                                   .full_row_turns = 8,
                                   .cached_result_bytes = 48 << 20}};

constexpr DeviceTable nvidia = {
    .device_class = DeviceClass::nvidia_matrix,
    .measured = "NVIDIA H200, driver 580.159.04, November 2026, dit bench --kernels and --sweep",
    .costs = h200,
    .tiles = {},
    .f32 = Fusion::block,
    .f16 = Fusion::block,
    .matrix_persistent_batch = 8,
    .matrices_win = true};

/// Until somebody measures one: NVIDIA's, but one dispatch of all steps is left to devices that were seen to keep it.
constexpr DeviceTable unmeasured(DeviceClass device_class) {
  DeviceTable table = nvidia;
  table.device_class = device_class;
  table.measured = "not measured: NVIDIA's";
  table.matrix_persistent_batch = 0;
  table.matrices_win = false;
  return table;
}

/// Compiling costs such a driver more than dispatches do, and the plain kernels compile soonest.
constexpr DeviceTable software() {
  DeviceTable table = unmeasured(DeviceClass::software);
  table.measured = "Mesa 22.3 llvmpipe on two cores of an AMD EPYC, November 2026: fusions; costs are NVIDIA's";
  table.f32 = Fusion::op;
  return table;
}

constexpr std::array tables = {nvidia, unmeasured(DeviceClass::other_discrete), unmeasured(DeviceClass::integrated),
                               software()};

}  // namespace

const DeviceTable& table_of(DeviceClass device_class) { return tables[static_cast<std::size_t>(device_class)]; }

std::span<const Precision> automatic_precisions(const DeviceTable& table, bool matrices) {
  // f16 without matrix hardware is no faster than f32 on the one device measured (shaders/lab).
  static constexpr std::array precisions = {Precision::f16_matrix};
  return table.matrices_win && matrices ? std::span<const Precision>(precisions) : std::span<const Precision>();
}

Fusion fastest_fusion(const DeviceTable& table, Precision precision, std::uint32_t batch) {
  if (precision == Precision::f32) return table.f32;
  if (precision != Precision::f16_matrix) return table.f16;
  return batch <= table.matrix_persistent_batch ? Fusion::persistent : Fusion::block;
}

const char* name_of(DeviceClass device_class) {
  switch (device_class) {
    case DeviceClass::nvidia_matrix:
      return "nvidia-matrix";
    case DeviceClass::other_discrete:
      return "other-discrete";
    case DeviceClass::integrated:
      return "integrated";
    case DeviceClass::software:
      return "software";
  }
  return "unknown";
}

}  // namespace dit::vulkan
