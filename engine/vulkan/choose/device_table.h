// SPDX-License-Identifier: MIT
// What is fast on which class of device: everything that was measured and not reasoned, in one place. The compiler asks
// this table and nothing else; `dit bench --sweep` prints rows of tiles to put here. Knows no Vulkan.
#pragma once

#include <cstdint>
#include <span>

#include "engine/executor.h"
#include "engine/vulkan/compile/tiles/tile_shape.h"

namespace dit::vulkan {

/// Device::device_class() says which of these a device is.
enum class DeviceClass {
  nvidia_matrix,   ///< NVIDIA with matrix hardware
  other_discrete,  ///< memory of its own
  integrated,
  software,  ///< a driver that runs on the CPU
};

/// A tile of the portable kernels whose sides pass through shared memory, each invocation moving a whole number of
/// quads of a chunk.
struct ChunkedTile {
  Tile tile;
  double rate;   ///< multiplications and additions a cycle
  double start;  ///< cycles besides them
};

/// In cycles of a multiprocessor, for tiles of the portable kernels.
struct PortableCosts {
  double multiply_rate;                                 ///< multiplications and additions a cycle
  double l2_bytes;                                      ///< a cycle from the L2 cache, all processors together
  double l2_bytes_one;                                  ///< the same, one processor
  double shared_fragment;                               ///< to pass a fragment through shared memory
  double load_latency;                                  ///< of a load that nothing hides
  double depth_fragment;                                ///< a fragment of the depth, besides
  double store, store_fragment, store_shared_fragment;  ///< to write a tile out, alone or by subgroups that share sums
  double prologue;                                      ///< to make a left side on the way
  std::span<const ChunkedTile> chunked;                 ///< those that are tried
  /// Subgroups that a processor needs to be as fast as it can with chunked tiles; what a tile with fewer takes alone.
  std::uint32_t full_subgroups = 0;
  bool from_caches = true;        ///< whether tiles are tried whose sides do not pass through shared memory
  std::uint32_t kept_eights = 8;  ///< most eights of a row that an invocation keeps while it is normed
};

/// The same for the kernels on matrix hardware.
struct MatrixCosts {
  // Products of few rows.
  double load_fragment, multiply_fragment;
  double load_latency, l2_bytes;
  double start, prologue;
  double step_share;  ///< of a turn of the loop that its own loads hide
  double row_column;  ///< a fragment of a tile's edge, a fragment of the depth
  double store, store_fragment, shared_store, shared_store_fragment;
  // Products of many rows.
  double many_load, many_multiply, many_fragment, many_turn, many_start, many_l2_bytes;
  double many_lhs;                   ///< activations cost more than weights: other workgroups do not share them
  double many_small_tile;            ///< what tiles of fewer than eight accumulators lose between other dispatches
  std::uint32_t many_row_fragments;  ///< from how many on
  // What a multiprocessor has.
  std::uint32_t registers, fragment_registers, other_registers;
  std::uint32_t cached_fragments;        ///< of weights that its L1 cache holds
  std::uint32_t row_columns_a_subgroup;  ///< fragments of columns that a subgroup holds in f32 besides what makes them
  std::uint32_t full_row_turns;          ///< of processors for a fragment of rows up to which tiles of whole rows pay
  std::uint64_t cached_result_bytes;     ///< of a result that the L2 cache keeps for the next dispatch
};

struct Costs {
  double call;      ///< a kernel call besides its work: a barrier among all workgroups, or the end of a dispatch
  double prologue;  ///< a left side made by a call of its own, for each turn of the workgroups
  std::uint32_t joined_heads;      ///< up to how many heads attention pays in the prologue of the product after it
  std::uint32_t joined_row_turns;  ///< processors for each fragment of rows from which it does
  PortableCosts portable;
  MatrixCosts matrix;
};

/// A tile that was measured faster than what the costs would choose.
struct MeasuredTile {
  Precision precision;
  std::uint32_t processors;
  ProductShape shape;
  Tile tile;
};

struct DeviceTable {
  DeviceClass device_class;
  const char* measured;  ///< on what, when, by which command
  Costs costs;
  std::span<const MeasuredTile> tiles;
  /// The fusion that runs a step fastest. matrix_persistent_batch: the largest batch for which one dispatch of all
  /// steps beats a few dispatches a block on matrix hardware.
  Fusion f32, f16;
  std::uint32_t matrix_persistent_batch;
  /// Whether matrix hardware was seen to be faster than f32 here.
  bool matrices_win;
};

const DeviceTable& table_of(DeviceClass device_class);

/// Those that Precision::automatic tries before f32, fastest first.
std::span<const Precision> automatic_precisions(const DeviceTable& table, bool matrices);

/// The fusion of a table for a precision and a batch. precision: not automatic
Fusion fastest_fusion(const DeviceTable& table, Precision precision, std::uint32_t batch);

/// "nvidia-matrix", "other-discrete", "integrated", "software"
const char* name_of(DeviceClass device_class);

}  // namespace dit::vulkan
