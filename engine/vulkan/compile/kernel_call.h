// SPDX-License-Identifier: MIT
// One dispatch, as the compiler hands it to the device: kernel, bindings, constants, grid. Knows no Vulkan.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/network/recorder.h"

namespace dit::vulkan {

/// What a kernel may bind besides the program's tensors.
enum class Region {
  tensor,          ///< of the program
  row_stats,       ///< scratch of the plan: mean and 1/deviation of each row
  windows,         ///< scratch of the plan: what Final makes before overlapping windows are added up
  normal_table,    ///< of the executor: dit::normal_table()
  icons,           ///< of the run: [B] 12 words, see shaders/common/noise.glsl
  modulation_row,  ///< of the request: [S,R]
  solver,          ///< of the request: [S] SolverRow
  solver_row,      ///< of the request: [S,B]
  arena,           ///< all activations of the plan
  packed_weights,  ///< of the executor, as the fused kernels read them
  stages,          ///< uniform: [STAGES_LIMIT] params::Stage
  pictures,        ///< the rgba tensor, or a word where there is none
  control,         ///< of a persistent dispatch: counters on the device
  range,           ///< of the run: what a persistent dispatch does
  status,          ///< a word for the host: whether a persistent dispatch gave up
  sketches,        ///< of the run: what shaders/common/sketch.glsl reads
  prepared,        ///< scratch of the plan: what plain kernels prepare before the fused ones' fragments are made of it
};

struct Operand {
  Region region = Region::tensor;
  TensorId tensor = no_tensor;  ///< for Region::tensor
  bool read = true;
  bool written = false;
};

/// Whether a region is bound as a uniform buffer; all others are storage buffers.
constexpr bool is_uniform(Region region) { return region == Region::stages; }

/// Workgroups along one side of a grid; every device offers that many.
inline constexpr std::uint32_t groups_a_line = 65535;

/// One dispatch.
struct KernelCall {
  std::string kernel;                    ///< name of the SPIR-V, see shaders/spirv.h
  std::vector<std::uint32_t> constants;  ///< specialization constants 0, 1, …
  std::vector<Operand> operands;         ///< binding 0, 1, …
  std::vector<std::uint32_t> push;       ///< push constants; word 0 is set to the step when recording
  std::array<std::uint32_t, 3> groups;
};

/// ⌈a/b⌉, as a number of groups.
constexpr std::uint32_t divide_up(std::uint64_t a, std::uint64_t b) {
  return static_cast<std::uint32_t>((a + b - 1) / b);
}

/// The number by which kernels know an activation, see shaders/common/activation.glsl.
constexpr std::uint32_t activation_number(Activation activation) {
  switch (activation) {
    case Activation::none:
      return 0;
    case Activation::silu:
      return 1;
    case Activation::gelu_erf:
      return 2;
    case Activation::gelu_tanh:
      return 3;
  }
  return 0;
}

}  // namespace dit::vulkan
