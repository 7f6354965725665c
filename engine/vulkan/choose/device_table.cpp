// SPDX-License-Identifier: MIT
#include "engine/vulkan/choose/device_table.h"

#include <array>

namespace dit::vulkan {
namespace {

constexpr Tile chunked(std::uint32_t down, std::uint32_t across, std::uint32_t subgroups_down,
                       std::uint32_t subgroups_across, std::uint32_t chunk, std::uint32_t buffers) {
  return {.down = down,
          .across = across,
          .subgroups_down = subgroups_down,
          .subgroups_across = subgroups_across,
          .chunk = chunk,
          .buffers = buffers};
}

/// rate: operations a cycle that a workgroup of matrices reached in products of 512, 4096 and 16384 rows; the portable
/// kernels were fitted to 200 where those have 1300.
constexpr ChunkedTile on_h200(const Tile& tile, double rate) {
  return {tile, rate * 200 / 1300, 3000.0 + 400 * tile.down * tile.across};
}

constexpr std::array h200_tiles = {on_h200(chunked(4, 4, 2, 4, 2, 1), 1000), on_h200(chunked(4, 4, 2, 2, 2, 1), 870),
                                   on_h200(chunked(4, 4, 2, 2, 2, 2), 870), on_h200(chunked(4, 2, 2, 4, 4, 1), 1060),
                                   on_h200(chunked(4, 2, 2, 4, 2, 1), 700), on_h200(chunked(2, 4, 2, 2, 2, 2), 600),
                                   on_h200(chunked(2, 2, 4, 2, 4, 1), 750), on_h200(chunked(2, 2, 2, 4, 4, 1), 750),
                                   on_h200(chunked(2, 2, 2, 2, 4, 2), 650), on_h200(chunked(1, 2, 4, 2, 4, 1), 550),
                                   on_h200(chunked(2, 2, 2, 4, 2, 1), 500), on_h200(chunked(1, 2, 2, 2, 4, 2), 400),
                                   // Not timed there: a sweep tries them, the costs never choose them.
                                   on_h200(chunked(4, 2, 2, 4, 1, 1), 1), on_h200(chunked(4, 2, 2, 4, 1, 2), 1),
                                   on_h200(chunked(2, 4, 2, 2, 1, 1), 1)};

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
                                     .chunked = h200_tiles},
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

/// share: of an invocation's instructions in the loop of a product that multiply and add; others: instructions besides
/// that loop, between those of a product that stores and of one that adds to rows. Both as Mesa's compiler for AMD
/// counts them (shaders/lab/2026-11-portable-kernels.md). A compute unit issues 64 of an instruction's invocations a
/// cycle, and waits about 1000 cycles for the first values.
constexpr ChunkedTile on_rdna(const Tile& tile, double share, double others) {
  return {tile, 128 * share, 1000 + others * tile.subgroups_down * tile.subgroups_across / 2};
}

/// Those that spill nothing into their loop on RDNA 2 and 3, largest first; tiles of 4×4 fragments a subgroup spill.
constexpr std::array rdna_tiles = {
    on_rdna(chunked(4, 2, 2, 4, 1, 1), 0.84, 1000), on_rdna(chunked(2, 4, 2, 2, 1, 1), 0.80, 1000),
    on_rdna(chunked(2, 2, 2, 4, 2, 1), 0.76, 550),  on_rdna(chunked(2, 2, 2, 4, 1, 1), 0.76, 550),
    on_rdna(chunked(2, 2, 2, 2, 2, 1), 0.75, 550),  on_rdna(chunked(2, 2, 2, 2, 1, 1), 0.75, 550),
    on_rdna(chunked(2, 2, 1, 2, 2, 1), 0.74, 600),  on_rdna(chunked(1, 2, 2, 2, 2, 1), 0.63, 300),
    on_rdna(chunked(1, 1, 2, 2, 2, 1), 0.54, 200),  on_rdna(chunked(1, 1, 2, 2, 1, 1), 0.50, 200)};

/// Counted, not timed: what products do in registers and shared memory by the instructions of AMD's compiler, which is
/// the only one of such devices that tells; the rest by the widths that AMD gives for RDNA. Tiles read straight from
/// the caches are left out: half of what they do is to load, and with Mesa 22 RDNA 3 has not the registers for it. So
/// are left sides made on the way, which are read so. f32: block. Its products multiply and add with 84 % of their
/// instructions, those of op, the plain kernels, with 50 to 64, and by as many reads of shared memory as it can serve.
constexpr DeviceTable counted(DeviceClass device_class, double l2_bytes) {
  DeviceTable table = unmeasured(device_class);
  table.measured = "counted, not timed: instructions of Mesa 22.3.6's and 25.0.7's compiler for AMD, November 2026";
  table.costs.joined_heads = 0;
  table.costs.portable = {.multiply_rate = 64,
                          .l2_bytes = l2_bytes,
                          .l2_bytes_one = 64,
                          .shared_fragment = 80,
                          .load_latency = 700,
                          .depth_fragment = 60,
                          .store = 300,
                          .store_fragment = 360,
                          .store_shared_fragment = 400,
                          .prologue = 4000,
                          .chunked = rdna_tiles,
                          .full_subgroups = 8,
                          .from_caches = false,
                          .kept_eights = 2};
  return table;
}

/// Compiling costs such a driver more than dispatches do, and the plain kernels compile soonest.
constexpr DeviceTable software() {
  DeviceTable table = unmeasured(DeviceClass::software);
  table.measured = "Mesa 22.3 llvmpipe on two cores of an AMD EPYC, November 2026: fusions; costs are NVIDIA's";
  table.f32 = Fusion::op;
  return table;
}

// 64 bytes a cycle of each slice of the L2 cache: 16 of them, or 4.
constexpr std::array tables = {nvidia, counted(DeviceClass::other_discrete, 1024),
                               counted(DeviceClass::integrated, 256), software()};

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
