// SPDX-License-Identifier: MIT
// safetensors: u64 header length, JSON header, raw little-endian tensors. Tensors are read when they are looked at.
// source: the format description of the safetensors project, and the checks of its own reader (version 0.6)
//
// It has no quantised types, so we keep such a tensor as two, and say so by the metadata "quantised": "g32":
//   int8_g32  NAME  I8 [..., K]    and  NAME.scales  F16 [..., K/32]
//   int4_g32  NAME  U8 [..., K/2]  and  NAME.scales  F16 [..., K/32]   nibbles as in engine/model/weights.h
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>

#include "engine/model/weights.h"

namespace dit::safetensors {

/// Reads the file's header.
/// errors  not_found, unreadable, wrong_format (file, tensor, expected, found). Never reads outside the file and never
///         allocates more than the header's size justifies
std::shared_ptr<const Weights> open(const std::filesystem::path& path);

/// The same over bytes in memory, which `owner` keeps alive; `name` stands for the file in error texts.
std::shared_ptr<const Weights> parse(const Bytes& bytes, const std::string& name, std::shared_ptr<const void> owner);

/// Whether the format has a place for the type.
bool can_hold(DType dtype) noexcept;

/// Writes every tensor and metadata entry.
/// errors  unreadable (cannot be written), unsupported (a type that the format cannot hold)
void write(const std::filesystem::path& path, const Weights& weights);

}  // namespace dit::safetensors
