// SPDX-License-Identifier: MIT
// GGUF versions 2 and 3, little endian: counts, metadata, tensor infos, aligned data. Tensors are read when they are
// looked at. source: the GGUF description in the ggml project's docs/gguf.md
//
// A metadata key "ditsrc.X" is X here, so that "ditsrc.format" and "ditsrc.config" make a model. Other values become
// text, arrays "[count]", and are kept as they lie for a GGUF file made of it. Dimensions are stored fastest first and
// turned round here.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "engine/model/weights.h"

namespace dit::gguf {

/// errors  not_found, unreadable, wrong_format (file, tensor, expected, found). Never reads outside the file and never
///         allocates more than the file's size justifies
std::shared_ptr<const Weights> open(const std::filesystem::path& path);

/// The same over bytes in memory, which `owner` keeps alive; `name` stands for the file in error texts.
std::shared_ptr<const Weights> parse(const Bytes& bytes, const std::string& name, std::shared_ptr<const void> owner);

/// Whether the format has a type number for it.
bool can_hold(DType dtype) noexcept;
/// Of Weights::gguf_values.
bool is_array(std::string_view value) noexcept;

/// Writes every tensor and metadata entry, version 3.
/// errors  unreadable (cannot be written), unsupported (a type, rank or name that the format cannot hold)
void write(const std::filesystem::path& path, const Weights& weights);

}  // namespace dit::gguf
