// SPDX-License-Identifier: MIT
#include "engine/model/formats/safetensors.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/files/mapped_file.h"
#include "engine/files/new_file.h"

namespace dit::safetensors {
namespace {

using nlohmann::json;

constexpr std::pair<const char*, DType> dtypes[] = {
    {"F32", DType::f32}, {"F16", DType::f16}, {"BF16", DType::bf16},   {"F64", DType::f64}, {"I8", DType::i8},
    {"U8", DType::u8},   {"I16", DType::i16}, {"U16", DType::u16},     {"I32", DType::i32}, {"U32", DType::u32},
    {"I64", DType::i64}, {"U64", DType::u64}, {"BOOL", DType::boolean}};
constexpr const char* scales_suffix = ".scales";

DType parse_dtype(const std::string& text, const std::string& file, const std::string& tensor) {
  std::string known;
  for (const auto& [name, dtype] : dtypes) {
    if (text == name) return dtype;
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  fail(ErrorKind::wrong_format, "weights '{}': tensor '{}': expected dtype {}, found {}", file, tensor, known, text);
}

WeightView parse_tensor(const std::string& file, const std::string& name, const json& entry,
                        std::span<const std::byte> data) {
  WeightView view;
  view.name = name;
  view.dtype = parse_dtype(entry.at("dtype").get<std::string>(), file, name);
  for (const json& size : entry.at("shape")) {
    const auto value = size.get<std::uint64_t>();
    expect(value <= std::numeric_limits<std::uint32_t>::max(), ErrorKind::wrong_format,
           "weights '{}': tensor '{}': dimension {} is over 32 bits", file, name, value);
    view.shape.push_back(static_cast<std::uint32_t>(value));
  }
  // The product may overflow 64 bits in a hostile file, so it is checked dimension by dimension against the data.
  std::uint64_t bytes = size_of(view.dtype);
  for (const std::uint32_t size : view.shape) {
    expect(size == 0 || bytes <= data.size() / size, ErrorKind::wrong_format,
           "weights '{}': tensor '{}': {} {} needs more than the {} data bytes of the file", file, name,
           name_of(view.dtype), to_string(view.shape), data.size());
    bytes *= size;
  }
  const auto first = entry.at("data_offsets").at(0).get<std::uint64_t>();
  const auto last = entry.at("data_offsets").at(1).get<std::uint64_t>();
  expect(first <= last && last <= data.size(), ErrorKind::wrong_format,
         "weights '{}': tensor '{}': bytes {} to {} lie outside the {} data bytes of the file (truncated?)", file, name,
         first, last, data.size());
  expect(last - first == bytes, ErrorKind::wrong_format,
         "weights '{}': tensor '{}': expected {} bytes for {} {}, found {}", file, name, bytes, name_of(view.dtype),
         to_string(view.shape), last - first);
  view.bytes = data.subspan(first, bytes);
  return view;
}

/// Joins each NAME.scales with its NAME; see the head of safetensors.h.
void join_scales(Weights& weights, const std::string& file) {
  std::vector<std::string> names;
  for (const auto& [name, view] : weights.tensors)
    if (name.ends_with(scales_suffix)) names.push_back(name);
  for (const std::string& scales_name : names) {
    const std::string name = scales_name.substr(0, scales_name.size() - std::string(scales_suffix).size());
    const WeightView& scales = weights.tensors.at(scales_name);
    const auto found = weights.tensors.find(name);
    expect(found != weights.tensors.end(), ErrorKind::wrong_format, "weights '{}': tensor '{}': expected a tensor '{}'",
           file, scales_name, name);
    WeightView& view = found->second;
    const bool four_bits = view.dtype == DType::u8;
    expect((four_bits || view.dtype == DType::i8) && scales.dtype == DType::f16 && !view.shape.empty() &&
               view.shape.size() == scales.shape.size(),
           ErrorKind::wrong_format,
           "weights '{}': tensor '{}': expected i8 or u8 with f16 scales, found {} {} with {} {}", file, name,
           name_of(view.dtype), to_string(view.shape), name_of(scales.dtype), to_string(scales.shape));
    const std::uint64_t columns = std::uint64_t{view.shape.back()} * (four_bits ? 2 : 1);
    Shape expected = view.shape;
    expected.back() = static_cast<std::uint32_t>(columns / group_size);
    expect(
        columns % group_size == 0 && columns <= std::numeric_limits<std::uint32_t>::max() && scales.shape == expected,
        ErrorKind::wrong_format, "weights '{}': tensor '{}': expected a scale for {} values, found {} for {} {}", file,
        name, group_size, to_string(scales.shape), name_of(view.dtype), to_string(view.shape));
    view.dtype = four_bits ? DType::int4_g32 : DType::int8_g32;
    view.shape.back() = static_cast<std::uint32_t>(columns);
    view.scales = scales.bytes;
    weights.tensors.erase(scales_name);
  }
}

/// One entry of the header and the bytes that go with it.
struct Chunk {
  std::string name;
  const char* dtype;
  Shape shape;
  std::span<const std::byte> bytes;
  std::size_t alignment;
};

void add_chunks(const WeightView& view, std::vector<Chunk>& chunks) {
  expect(can_hold(view.dtype), ErrorKind::unsupported, "tensor '{}': a safetensors file cannot hold {}", view.name,
         name_of(view.dtype));
  if (!is_quantised(view.dtype)) {
    const auto found = std::ranges::find(dtypes, view.dtype, &std::pair<const char*, DType>::second);
    chunks.push_back({view.name, found->first, view.shape, view.bytes, size_of(view.dtype)});
    return;
  }
  const bool four_bits = view.dtype == DType::int4_g32;
  Shape integers = view.shape, scales = view.shape;
  if (four_bits) integers.back() /= 2;
  scales.back() /= group_size;
  chunks.push_back({view.name, four_bits ? "U8" : "I8", integers, view.bytes, 1});
  chunks.push_back({view.name + scales_suffix, "F16", scales, view.scales, 2});
}

}  // namespace

std::shared_ptr<const Weights> parse(std::span<const std::byte> bytes, const std::string& name,
                                     std::shared_ptr<const void> owner) {
  expect(bytes.size() >= 8, ErrorKind::wrong_format, "weights '{}': expected a safetensors file, found {} bytes", name,
         bytes.size());
  std::uint64_t header_bytes = 0;
  for (int i = 7; i >= 0; --i) header_bytes = header_bytes << 8 | std::to_integer<std::uint64_t>(bytes[i]);
  expect(header_bytes <= bytes.size() - 8, ErrorKind::wrong_format,
         "weights '{}': expected a safetensors file; its header would be {} bytes of a {}-byte file", name,
         header_bytes, bytes.size());

  auto weights = std::make_shared<Weights>();
  weights->owner = std::move(owner);
  weights->file_bytes = bytes.size();
  const char* text = reinterpret_cast<const char*>(bytes.data()) + 8;
  const auto data = bytes.subspan(8 + header_bytes);
  try {
    const json header = json::parse(text, text + header_bytes);
    expect(header.is_object(), ErrorKind::wrong_format, "weights '{}': header is not a JSON object", name);
    for (const auto& [key, entry] : header.items()) {
      if (key == "__metadata__") {
        weights->metadata = entry.get<std::map<std::string, std::string>>();
      } else {
        weights->tensors.emplace(key, parse_tensor(name, key, entry, data));
      }
    }
  } catch (const json::exception& error) {
    fail(ErrorKind::wrong_format, "weights '{}': bad safetensors header: {}", name, error.what());
  }
  const auto quantised = weights->metadata.find("quantised");
  if (quantised != weights->metadata.end()) {
    expect(quantised->second == "g32", ErrorKind::wrong_format,
           "weights '{}': metadata 'quantised': expected 'g32', found '{}'", name, quantised->second);
    weights->metadata.erase(quantised);
    join_scales(*weights, name);
  }
  return weights;
}

std::shared_ptr<const Weights> open(const std::filesystem::path& path) {
  auto file = MappedFile::open(path);
  const auto bytes = file->bytes();
  return parse(bytes, path.string(), std::move(file));
}

bool can_hold(DType dtype) noexcept { return dtype != DType::q8_0 && dtype != DType::q4_0; }

void write(const std::filesystem::path& path, const Weights& weights) {
  std::vector<Chunk> chunks;
  auto metadata = weights.metadata;
  for (const auto& [name, view] : weights.tensors) {
    add_chunks(view, chunks);
    if (is_quantised(view.dtype)) metadata["quantised"] = "g32";
  }
  // The format allows no holes, so wide types come first: then every tensor is aligned to its type.
  std::ranges::stable_sort(chunks, std::greater(), &Chunk::alignment);
  json header = json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  for (const Chunk& chunk : chunks) {
    const std::uint64_t end = offset + chunk.bytes.size();
    expect(!header.contains(chunk.name), ErrorKind::unsupported, "tensor '{}': its name is taken", chunk.name);
    header[chunk.name] = {{"dtype", chunk.dtype}, {"shape", chunk.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  NewFile file(path);
  const std::uint64_t size = text.size();
  file.write(std::as_bytes(std::span(&size, 1)));
  file.write(text);
  for (const Chunk& chunk : chunks) file.write(chunk.bytes);
  file.finish();
}

}  // namespace dit::safetensors
