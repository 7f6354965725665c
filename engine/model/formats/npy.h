// SPDX-License-Identifier: MIT
// NumPy's .npy, versions 1 and 2: one array, C order, little endian. Debian packages no library for it.
// source: the format description in NumPy's documentation, numpy.lib.format
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "engine/model/weights.h"

namespace dit::npy {

/// The array is the only tensor and has the name of the file without its folder and ending.
/// errors  not_found, unreadable, wrong_format (file, expected, found)
std::shared_ptr<const Weights> open(const std::filesystem::path& path);

/// The same over bytes in memory, which `owner` keeps alive; `name` stands for the file in error texts.
std::shared_ptr<const Weights> parse(const Bytes& bytes, const std::string& name, std::shared_ptr<const void> owner);

/// Writes f32 values. errors: unreadable
void write(const std::filesystem::path& path, const Shape& shape, std::span<const float> values);

}  // namespace dit::npy
