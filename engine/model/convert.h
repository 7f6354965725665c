// SPDX-License-Identifier: MIT
// Weights in another number type: what `dit convert` does between reading one file and writing another.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/model/weights.h"

namespace dit {

/// Parts of the names that keep their type when a file is quantised. They are few of the numbers, and their errors
/// reach every later layer.
const std::vector<std::string>& kept_by_default();

struct ConvertOptions {
  std::optional<DType> dtype;          ///< f32, f16, bf16 or a quantised type; none: every tensor keeps its own
  std::vector<std::string> keep = {};  ///< quantised types: names with one of these in them stay
};

/// Tensors in the type asked for. Floating types apply to all; quantised ones to matrices of at least two rows whose
/// rows are a multiple of 32 long, and whose name is not kept. errors  settings (another type), wrong_format (a value
/// that the type cannot hold; names the tensor)
std::shared_ptr<const Weights> convert(const std::shared_ptr<const Weights>& weights, const ConvertOptions& options);

/// Quantised tensors in the storage that a format can hold, without loss: q4_0 and q8_0 for GGUF, int4_g32 and int8_g32
/// for safetensors, f32 for formats that have neither.
enum class QuantisedStorage { gguf, safetensors, none };
std::shared_ptr<const Weights> store_quantised_as(const std::shared_ptr<const Weights>& weights,
                                                  QuantisedStorage storage);

/// Mean square of the differences between two tensors over the mean square of the first, as a root.
double relative_rms_error(const WeightView& truth, const WeightView& other);

}  // namespace dit
