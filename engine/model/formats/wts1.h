// SPDX-License-Identifier: MIT
// WTS1, the favicon diffusor's weights, little endian: "WTS1", u32 count; for each tensor u32 key bytes, key, zeros up
// to a multiple of 4, u32 rank, u32 dimensions, u32 elements, f32 data. Tensors are read when they are looked at.
// wts1_model.h makes a model of them.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>

#include "engine/model/weights.h"

namespace dit::wts1 {

/// Metadata "format" of what parse() gives.
inline constexpr const char* format = "WTS1";

/// Every tensor under the file's own key; `owner` keeps the bytes alive; `name` stands for the file in error texts.
/// errors  wrong_format: magic, counts that disagree, data cut short or left over, a key that comes twice, a value that
/// is
///         no finite number. Never reads outside the file and never allocates more than the file's size justifies
std::shared_ptr<const Weights> parse(const Bytes& bytes, const std::string& name, std::shared_ptr<const void> owner);

/// Writes every tensor as f32, in the order of their names; the format has no place for metadata.
/// errors  unreadable (cannot be written), unsupported (more elements than 32 bits count)
void write(const std::filesystem::path& path, const Weights& weights);

}  // namespace dit::wts1
