// SPDX-License-Identifier: MIT
// Programs and targets that the tests of the compiler share.
#pragma once

#include "engine/network/dit.h"
#include "engine/vulkan/compile/compile.h"

namespace dit::test {

/// Two layers of 64 tokens. head_dim 0: heads side by side fill the width
inline Program small_program(std::uint32_t batch, std::uint32_t dim, std::uint32_t heads = 8,
                             std::uint32_t head_dim = 0, bool guided = false) {
  ModelConfig c;
  c.channels = 4;
  c.premultiplied = true;
  c.height = c.width = 64;
  c.patch = 8;
  c.dim = dim;
  c.depth = 2;
  c.heads = heads;
  c.head_dim = head_dim;
  c.mlp_dim = 4 * dim;
  c.cond_dim = c.time_dim = 64;
  return record(c, {.batch = batch, .conditions = guided ? 2u : 1u, .steps = 1, .guided = guided});
}

/// Of the icon model's width, with a prompt in attention and a head.
inline Program headed_program(std::uint32_t batch, std::uint32_t channels = 16, std::uint32_t layers = 3,
                              std::uint32_t hidden = 32) {
  ModelConfig c;
  c.channels = 4;
  c.premultiplied = c.qk_norm = true;
  c.height = c.width = 64;
  c.patch = 8;
  c.dim = 512;
  c.depth = 2;
  c.heads = 8;
  c.mlp_dim = 2048;
  c.cond_dim = c.time_dim = 64;
  c.context = 8;
  c.detail = DetailConfig{channels, hidden, layers};
  return record(c, {.batch = batch, .conditions = batch, .steps = 1});
}

/// As on a GPU of 132 processors with 48 KiB of shared memory a workgroup.
inline vulkan::Target gpu_target(Precision precision, Fusion fusion) {
  vulkan::Target target = {.precision = precision, .fusion = fusion};
  target.invocations = 256;
  target.shared_bytes = 49088;
  target.processors = 132;
  return target;
}

inline vulkan::EmittedProgram emit_anywhere(const Program& program, const vulkan::CompiledProgram& compiled) {
  vulkan::Places places = vulkan::consecutive_places(compiled.layouts);
  places.weight_types.assign(program.tensors.size(), DType::f32);
  return emit(program, compiled.layouts, compiled.tiled, compiled.target, places);
}

}  // namespace dit::test
