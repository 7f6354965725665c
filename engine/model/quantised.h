// SPDX-License-Identifier: MIT
// Weights as small integers with one scale for 32 of them: what every quantised type is to a kernel, and how to make
// one. source: the block formats of ggml (Q8_0, Q4_0); int4 and int8 in groups of 32 with f16 scales as in MLC and AWQ
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/model/weights.h"

namespace dit {

/// Groups [first, first + scales.size()) of a quantised tensor, counted through its rows: 32 integers each, −128…127 or
/// −8…7, and the scale; value = scale · integer. An executor packs from this and need not know how the file stores it.
/// errors  wrong_format if the tensor is not quantised or the range leaves it
void read_groups(const WeightView& tensor, std::uint64_t first, std::span<std::int8_t> integers,
                 std::span<float> scales);

/// Storage of a tensor in a quantised type, as WeightView holds it.
struct Quantised {
  std::vector<std::byte> bytes, scales;
};

/// Rounds values to the nearest integers of their group.
///   q8_0, int8_g32  d = max|v|/127, q = −127…127
///   q4_0            d = −(v of largest magnitude)/8, q = −8…7: one more level than symmetric on that side
///   int4_g32        d = max|v|/7, q = −7…7
/// errors  settings if the count is not a multiple of 32; wrong_format if a value is not finite or its scale too large
Quantised quantise(DType dtype, std::span<const float> values);

/// The same integers and scales in another storage with as many bits: q4_0 and int4_g32, q8_0 and int8_g32. Lossless.
Quantised repack(const WeightView& tensor, DType dtype);

/// The same weights with every quantised tensor as f32 in memory: the path that costs memory instead of unpacking in
/// each product.
std::shared_ptr<const Weights> dequantised(std::shared_ptr<const Weights> weights);

}  // namespace dit
