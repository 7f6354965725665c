// SPDX-License-Identifier: MIT
// The chunks of a PNG file: length, type, data, CRC (PNG specification, third edition, section 5).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace dit::plugin {

using Bytes = std::vector<std::uint8_t>;

struct PngChunk {
  std::string_view type;               ///< four letters, in the file's bytes
  std::span<const std::uint8_t> data;  ///< in the file's bytes
};

void put_u16(Bytes& bytes, std::uint32_t value);
void put_u32(Bytes& bytes, std::uint32_t value);
void put_png_signature(Bytes& bytes);
void put_chunk(Bytes& bytes, std::string_view type, std::span<const std::uint8_t> data);

/// The chunks of a whole file, which stays the caller's. Throws EncodeError for anything but IHDR .. IEND with right
/// checksums. `name` begins its texts.
std::vector<PngChunk> parse_png(std::span<const std::uint8_t> file, std::string_view name);

}  // namespace dit::plugin
