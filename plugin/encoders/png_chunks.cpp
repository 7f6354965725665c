// SPDX-License-Identifier: MIT
#include "plugin/encoders/png_chunks.h"

#include <zlib.h>

#include <algorithm>

#include "plugin/encoders/encoder.h"

namespace dit::plugin {
namespace {

constexpr std::uint8_t signature[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
constexpr std::size_t around_data = 12;  // length, type, CRC

std::uint32_t get_u32(const std::uint8_t* p) {
  return std::uint32_t{p[0]} << 24 | std::uint32_t{p[1]} << 16 | std::uint32_t{p[2]} << 8 | p[3];
}

}  // namespace

void put_u16(Bytes& bytes, std::uint32_t value) {
  bytes.push_back(static_cast<std::uint8_t>(value >> 8));
  bytes.push_back(static_cast<std::uint8_t>(value));
}

void put_u32(Bytes& bytes, std::uint32_t value) {
  put_u16(bytes, value >> 16);
  put_u16(bytes, value);
}

void put_png_signature(Bytes& bytes) { bytes.insert(bytes.end(), std::begin(signature), std::end(signature)); }

void put_chunk(Bytes& bytes, std::string_view type, std::span<const std::uint8_t> data) {
  put_u32(bytes, static_cast<std::uint32_t>(data.size()));
  const std::size_t from = bytes.size();
  bytes.insert(bytes.end(), type.begin(), type.end());
  bytes.insert(bytes.end(), data.begin(), data.end());
  put_u32(bytes, static_cast<std::uint32_t>(crc32(0, &bytes[from], static_cast<uInt>(bytes.size() - from))));
}

std::vector<PngChunk> parse_png(std::span<const std::uint8_t> file, std::string_view name) {
  expect_frame(file.size() >= sizeof signature && std::equal(std::begin(signature), std::end(signature), file.begin()),
               "{}: expected a whole PNG file in the buffer, found {} bytes without its signature", name, file.size());
  std::vector<PngChunk> chunks;
  std::size_t at = sizeof signature;
  while (chunks.empty() || chunks.back().type != "IEND") {
    expect_frame(file.size() - at >= around_data, "{}: expected chunk IEND, found the end after {} bytes", name,
                 file.size());
    const std::size_t size = get_u32(&file[at]);
    expect_frame(size <= file.size() - at - around_data, "{}: expected {} bytes in the chunk at {}, found {}", name,
                 size, at, file.size() - at - around_data);
    const PngChunk chunk = {{reinterpret_cast<const char*>(&file[at + 4]), 4}, file.subspan(at + 8, size)};
    expect_frame(crc32(0, &file[at + 4], static_cast<uInt>(size + 4)) == get_u32(&file[at + 8 + size]),
                 "{}: the checksum of chunk {} is wrong", name, chunk.type);
    chunks.push_back(chunk);
    at += size + around_data;
  }
  expect_frame(at == file.size(), "{}: expected one PNG file in the buffer, found {} bytes after its end", name,
               file.size() - at);
  expect_frame(chunks[0].type == "IHDR" && chunks[0].data.size() == 13, "{}: expected chunk IHDR first, found {}", name,
               chunks[0].type);
  return chunks;
}

}  // namespace dit::plugin
