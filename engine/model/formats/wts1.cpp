// SPDX-License-Identifier: MIT
#include "engine/model/formats/wts1.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/files/new_file.h"
#include "engine/model/formats/cursor.h"

namespace dit::wts1 {
namespace {

constexpr std::uint32_t rank_limit = 8;
constexpr std::uint32_t most_key = 65535;
constexpr std::size_t least_tensor_bytes = 12;  // empty key, no dimension, no element

/// The key and its padding; `what` names the tensor in error texts.
std::string parse_key(Cursor& cursor, const std::string& file, std::uint32_t index) {
  const std::string what = fmt::format("key of tensor {}", index);
  std::string key = cursor.text<std::uint32_t>(most_key, what.c_str());
  for (const std::byte byte : cursor.take(-key.size() % 4, what.c_str())) {
    expect(byte == std::byte{0}, ErrorKind::wrong_format, "weights '{}': tensor '{}': padding of the key is not zero",
           file, key);
  }
  return key;
}

/// A piece at a time, so that a file may be larger than memory.
void expect_finite(const WeightView& view, const std::string& file) {
  constexpr std::size_t piece = 1u << 20;
  for (std::size_t at = 0; at < view.bytes.size(); at += piece) {
    const Bytes some = view.bytes.subspan(at, std::min(piece, view.bytes.size() - at));
    const auto bytes = some.read();
    for (std::size_t i = 0; i < bytes.size(); i += sizeof(float)) {
      float value;
      std::memcpy(&value, bytes.data() + i, sizeof(float));
      if (std::isfinite(value)) continue;
      fail(ErrorKind::wrong_format, "weights '{}': tensor '{}': element {} of {} is {}", file,
           printable(view.name, name_length), (at + i) / sizeof(float), view.bytes.size() / sizeof(float), value);
    }
    some.release();
  }
}

WeightView parse_tensor(Cursor& cursor, const std::string& file, std::string key) {
  WeightView view;
  view.name = std::move(key);
  const std::string what = fmt::format("tensor '{}'", printable(view.name, name_length));
  const auto rank = cursor.number<std::uint32_t>(what.c_str());
  expect(rank <= rank_limit, ErrorKind::wrong_format, "weights '{}': {}: expected at most {} dimensions, found {}",
         file, what, rank_limit, rank);
  // Multiplied in steps that cannot overflow: each product stays below 2³² before the next dimension.
  std::uint64_t product = 1;
  for (std::uint32_t i = 0; i < rank; ++i) {
    view.shape.push_back(cursor.number<std::uint32_t>(what.c_str()));
    product *= view.shape.back();
    expect(product <= std::numeric_limits<std::uint32_t>::max(), ErrorKind::wrong_format,
           "weights '{}': {}: {} is more than 32 bits count", file, what, to_string(view.shape));
  }
  const auto elements = cursor.number<std::uint32_t>(what.c_str());
  expect(elements == product, ErrorKind::wrong_format, "weights '{}': {}: expected {} elements for {}, found {}", file,
         what, product, to_string(view.shape), elements);
  view.bytes = cursor.skip(std::uint64_t{elements} * sizeof(float), what.c_str());
  expect_finite(view, file);
  return view;
}

void put(NewFile& file, std::uint64_t value, const std::string& name) {
  expect(value <= std::numeric_limits<std::uint32_t>::max(), ErrorKind::unsupported,
         "tensor '{}': a WTS1 file counts with 32 bits, found {}", name, value);
  const auto word = static_cast<std::uint32_t>(value);
  file.write(std::as_bytes(std::span(&word, 1)));
}

}  // namespace

std::shared_ptr<const Weights> parse(const Bytes& bytes, const std::string& name, std::shared_ptr<const void> owner) {
  auto weights = std::make_shared<Weights>();
  weights->owner = std::move(owner);
  weights->file_bytes = bytes.size();
  weights->metadata["format"] = format;
  Cursor cursor(bytes, name);
  const auto magic = cursor.take(4, "magic");
  expect(std::memcmp(magic.data(), "WTS1", 4) == 0, ErrorKind::wrong_format, "weights '{}': expected a WTS1 file",
         name);
  const auto count = cursor.count<std::uint32_t>(least_tensor_bytes, "tensor count");
  for (std::uint32_t i = 0; i < count; ++i) {
    weights->add(parse_tensor(cursor, name, parse_key(cursor, name, i)), name);
  }
  expect(cursor.remaining() == 0, ErrorKind::wrong_format,
         "weights '{}': {} bytes are left after the last of {} tensors", name, cursor.remaining(), count);
  return weights;
}

void write(const std::filesystem::path& path, const Weights& weights) {
  NewFile file(path);
  file.write("WTS1");
  put(file, weights.tensors.size(), "");
  for (const auto& [name, view] : weights.tensors) {
    put(file, name.size(), name);
    file.write(name + std::string(-name.size() % 4, '\0'));
    put(file, view.shape.size(), name);
    for (const std::uint32_t size : view.shape) put(file, size, name);
    put(file, element_count(view.shape), name);
    const std::vector<float> values = read_f32(view);
    file.write(std::as_bytes(std::span(values)));
  }
  file.finish();
}

}  // namespace dit::wts1
