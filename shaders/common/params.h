// SPDX-License-Identifier: MIT
// Push constants, written once for GLSL and C++: 4-byte scalars only, and the first word is always the step.
// Letters as in engine/network/recorder.h.
#ifndef DIT_SHADERS_PARAMS_H
#define DIT_SHADERS_PARAMS_H

#ifdef __cplusplus
#include <cstdint>
namespace dit::vulkan::params {
using uint = std::uint32_t;
#endif

struct Noise {
  uint step;
  uint batch;
  uint elements;  // of one icon, C·H·W
};

struct Linear {
  uint step;
  uint rows;     // of the left side
  uint inputs;   // columns of the left side and of the weight
  uint outputs;  // rows of the weight
  uint has_bias;
};

struct Embed {
  uint step;
  uint rows;  // R·T
  uint inputs;
  uint outputs;
  uint has_bias;
  uint tokens;
  uint batch;
  uint channels;
  uint height;
  uint width;
  uint patch_size;
  uint window_size;
};

struct NormStats {
  uint step;
  uint rows;
  uint width;  // values of one row
  float eps;
  uint eps_outside;  // of the root
  uint centred;      // layer norm; else RMS norm
  uint unbiased;     // variance divided by width − 1
};

struct ModulatedLinear {
  uint step;
  uint rows;  // R·T
  uint inputs;
  uint outputs;
  uint has_bias;
  uint tokens;
  uint batch_rows;  // R
  uint columns;     // of the modulation table
  uint shift;       // first column
  uint scale;       // first column
  uint activation;  // 0 none, 1 silu, 2 gelu_erf, 3 gelu_tanh
};

struct Attention {
  uint step;
  uint tokens;
  uint heads;
  float norm_eps;
  float scale;  // 1/√D
};

struct GatedLinearAdd {
  uint step;
  uint rows;  // R·T
  uint inputs;
  uint outputs;
  uint has_bias;
  uint tokens;
  uint batch_rows;
  uint columns;
  uint gate;  // first column, or 0xffffffff: 1
};

struct Final {
  uint step;
  uint rows;  // R·T
  uint inputs;
  uint outputs;  // C·V·V
  uint has_bias;
  uint tokens;
  uint batch_rows;
  uint columns;
  uint shift;
  uint scale;
  uint height;
  uint width;
  uint patch_size;
};

struct OverlapAdd {
  uint step;
  uint images;  // R
  uint channels;
  uint height;
  uint width;
  uint patch_size;
  uint window_size;
};

struct Combine {
  uint step;
  uint batch;
  uint elements;  // of one icon
  uint guided;
};

struct ToRgba {
  uint step;
  uint batch;
  uint channels;
  uint pixels;  // of one icon, H·W
  uint premultiplied;
  uint round_down;
};

struct Ceiling {
  uint step;     // unused
  uint quads;    // to copy
  uint repeats;  // of what an invocation does
  uint spin_limit;
};

#ifdef __cplusplus
}  // namespace dit::vulkan::params
#endif
#endif
