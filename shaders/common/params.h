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
  uint step, batch;
  uint elements;  // of one icon, C·H·W
};

// Of products: rows of the lhs, inputs = columns of the lhs and of the weight, outputs = rows of the weight.
struct Linear {
  uint step, rows, inputs, outputs, has_bias;
};

struct Embed {
  uint step, rows, inputs, outputs, has_bias;  // rows: R·T
  uint tokens, batch, channels, height, width, patch_size, window_size;
};

struct NormStats {
  uint step, rows;
  uint width;  // values of one row
  float eps;
  uint eps_outside;  // of the root
  uint centred;      // layer norm; else RMS norm
  uint unbiased;     // variance divided by width − 1
};

struct ModulatedLinear {
  uint step, rows, inputs, outputs, has_bias;  // rows: R·T
  uint tokens;
  uint batch_rows;    // R
  uint columns;       // of the modulation table
  uint shift, scale;  // first column
  uint activation;    // as in activation.glsl
};

struct Attention {
  uint step, tokens, heads;
  float norm_eps;
  float scale;  // 1/√D
};

struct ContextAttention {
  uint step, tokens, heads;
  float norm_eps;
  float scale;        // 1/√D
  uint context_keys;  // L
  uint conditions;    // K
};

struct HeadNorm {
  uint step, rows;
  uint columns;  // of a row
  uint heads;
  uint head_dim;
  float eps;
};

struct GatedLinearAdd {
  uint step, rows, inputs, outputs, has_bias;  // rows: R·T
  uint tokens, batch_rows, columns;
  uint gate;  // first column, or 0xffffffff: 1
};

struct Final {
  uint step, rows, inputs, outputs, has_bias;  // rows: R·T, outputs: C·V·V
  uint tokens, batch_rows, columns, shift, scale;
  uint height, width, patch_size;
};

struct Conv {
  uint step, rows, inputs, outputs, has_bias;  // rows: H·W, inputs: 9·(F+C)
  uint batch;
  uint channels;  // F
  uint height, width;
  uint activation;  // as in activation.glsl
  uint residual;    // whether x is added
};

struct OverlapAdd {
  uint step;
  uint images;  // R
  uint channels, height, width, patch_size, window_size;
};

struct Combine {
  uint step, batch;
  uint elements;  // of one icon
  uint guided;
};

struct ToRgba {
  uint step, batch, channels;
  uint pixels;  // of one icon, H·W
  uint premultiplied, round_down;
};

// Of begin and of hold.
struct Sketched {
  uint step, batch;
  uint elements;  // of one icon, C·H·W
  uint pixels;    // of one icon, H·W
  uint premultiplied;
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
