// SPDX-License-Identifier: MIT
// The part of `dit inspect` that needs no model: the tensors of any weight file that we can read.
#pragma once

#include <filesystem>

#include "engine/model/weights.h"

namespace dit::cli {

/// A table of names, types, shapes and bytes, of tensors that cannot be used as well.
void print_tensors(const Weights& weights);

/// Metadata and tensors of a file that holds no model of ours, and what it would take to be one.
void inspect_tensors(const std::filesystem::path& path, const Weights& weights);

/// The same of an ONNX model's initialisers.
void inspect_onnx(const std::filesystem::path& path, const Weights& weights);

}  // namespace dit::cli
