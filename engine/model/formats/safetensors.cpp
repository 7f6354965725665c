// SPDX-License-Identifier: MIT
#include "engine/model/formats/safetensors.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/files/new_file.h"
#include "engine/model/json_text.h"

namespace dit::safetensors {
namespace {

using nlohmann::json;

// The limit of the format's own reader.
constexpr std::uint64_t most_header = 100'000'000;
constexpr std::size_t rank_limit = 32;

/// A type of the format, and what it is here.
struct Type {
  const char* name;
  std::uint32_t bits;  // of an element
  std::optional<DType> dtype;
};
constexpr Type types[] = {{"F32", 32, DType::f32},
                          {"F16", 16, DType::f16},
                          {"BF16", 16, DType::bf16},
                          {"F64", 64, DType::f64},
                          {"I8", 8, DType::i8},
                          {"U8", 8, DType::u8},
                          {"I16", 16, DType::i16},
                          {"U16", 16, DType::u16},
                          {"I32", 32, DType::i32},
                          {"U32", 32, DType::u32},
                          {"I64", 64, DType::i64},
                          {"U64", 64, DType::u64},
                          {"BOOL", 8, DType::boolean},
                          {"F8_E4M3", 8, {}},
                          {"F8_E5M2", 8, {}},
                          {"F8_E8M0", 8, {}},
                          {"F8_E4M3FNUZ", 8, {}},
                          {"F8_E5M2FNUZ", 8, {}},
                          {"F6_E2M3", 6, {}},
                          {"F6_E3M2", 6, {}},
                          {"F4", 4, {}},
                          {"C64", 64, {}}};
constexpr const char* scales_suffix = ".scales";

/// Where a tensor lies in the data.
struct Place {
  std::uint64_t first, last;
  const std::string* name;
};

/// Reads the entries of the header; every failure names the tensor.
class Entries {
 public:
  Entries(const Bytes& data, const std::string& file, Weights& weights) : data_(data), file_(file), weights_(weights) {}

  void add(const std::string& name, const json& entry) {
    if (!entry.is_object()) bad(name, "expected an object", entry);
    Shape shape = shape_of(name, member(name, entry, "shape"));
    const json& type = member(name, entry, "dtype");
    if (!type.is_string()) bad(name, "expected a dtype", type);
    const auto& type_name = type.get_ref<const std::string&>();
    const Place place = place_of(name, member(name, entry, "data_offsets"));
    const auto known = std::ranges::find_if(types, [&](const Type& t) { return type_name == t.name; });
    if (known != std::end(types)) check_size(name, *known, shape, place);
    if (known != std::end(types) && known->dtype) {
      weights_.add({name, *known->dtype, std::move(shape), data_.subspan(place.first, place.last - place.first), {}},
                   file_);
    } else {
      const std::string shown = printable(type_name, 40);
      weights_.add(
          name, {shown, std::move(shape), place.last - place.first, fmt::format("its type {} is none of ours", shown)},
          file_);
    }
    places_.push_back(place);
  }

  /// As the format's own reader has it: every byte of the data belongs to one tensor.
  void check_places() {
    std::ranges::sort(places_, {}, [](const Place& p) { return std::pair(p.first, p.last); });
    std::uint64_t end = 0;
    for (const Place& place : places_) {
      if (place.first != end) {
        fail(ErrorKind::wrong_format,
             "weights '{}': tensor '{}': expected byte {} of the data to be its first, found {}: {}", file_,
             printable(*place.name, name_length), end, place.first,
             place.first < end ? "it lies over another tensor" : "there is a hole before it");
      }
      end = place.last;
    }
    expect(end == data_.size(), ErrorKind::wrong_format, "weights '{}': {} bytes are left after the last tensor{}",
           file_, data_.size() - end, places_.empty() ? "" : " '" + printable(*places_.back().name, name_length) + "'");
  }

 private:
  [[noreturn]] void bad(const std::string& name, const char* expected, const json& found) const {
    fail(ErrorKind::wrong_format, "weights '{}': bad safetensors header: tensor '{}': {}, found {}", file_,
         printable(name, name_length), expected, text_of(found));
  }
  const json& member(const std::string& name, const json& entry, const char* key) const {
    const auto found = entry.find(key);
    if (found == entry.end()) {
      fail(ErrorKind::wrong_format, "weights '{}': bad safetensors header: tensor '{}': expected '{}', found none",
           file_, printable(name, name_length), key);
    }
    return *found;
  }
  Shape shape_of(const std::string& name, const json& sizes) const {
    if (!sizes.is_array() || sizes.size() > rank_limit) bad(name, "expected a shape of at most 32 dimensions", sizes);
    Shape shape;
    for (const json& size : sizes) {
      if (!size.is_number_unsigned()) bad(name, "expected whole numbers in its shape", size);
      const auto value = size.get<std::uint64_t>();
      if (value > std::numeric_limits<std::uint32_t>::max()) {
        fail(ErrorKind::wrong_format, "weights '{}': tensor '{}': dimension {} is over 32 bits", file_,
             printable(name, name_length), value);
      }
      shape.push_back(static_cast<std::uint32_t>(value));
    }
    return shape;
  }
  Place place_of(const std::string& name, const json& offsets) const {
    if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
        !offsets[1].is_number_unsigned()) {
      bad(name, "expected two whole numbers as its data_offsets", offsets);
    }
    const Place place = {offsets[0].get<std::uint64_t>(), offsets[1].get<std::uint64_t>(), &name};
    if (place.first > place.last || place.last > data_.size()) {
      fail(ErrorKind::wrong_format,
           "weights '{}': tensor '{}': bytes {} to {} lie outside the {} data bytes of the file (truncated?)", file_,
           printable(name, name_length), place.first, place.last, data_.size());
    }
    return place;
  }
  void check_size(const std::string& name, const Type& type, const Shape& shape, const Place& place) const {
    // The product may overflow 64 bits in a hostile file, so it is checked dimension by dimension against the data.
    std::uint64_t bits = type.bits;
    const std::uint64_t most = std::uint64_t{data_.size()} * 8;
    for (const std::uint32_t size : shape) {
      if (size != 0 && bits > most / size) {
        fail(ErrorKind::wrong_format, "weights '{}': tensor '{}': {} {} needs more than the {} data bytes of the file",
             file_, printable(name, name_length), type.name, to_string(shape), data_.size());
      }
      bits *= size;
    }
    if (bits != (place.last - place.first) * 8) {
      fail(ErrorKind::wrong_format, "weights '{}': tensor '{}': expected {} bytes for {} {}, found {}", file_,
           printable(name, name_length), (bits + 7) / 8, type.name, to_string(shape), place.last - place.first);
    }
  }

  Bytes data_;
  const std::string& file_;
  Weights& weights_;
  std::vector<Place> places_;
};

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
           file, printable(scales_name, name_length), printable(name, name_length));
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

void add_metadata(const json& object, const std::string& what, Weights& weights) {
  expect(object.is_object(), ErrorKind::wrong_format, "{}: __metadata__: expected an object, found {}", what,
         text_of(object));
  for (const auto& [key, value] : object.items()) {
    if (!value.is_string()) {
      fail(ErrorKind::wrong_format, "{}: __metadata__ '{}': expected a text, found {}", what,
           printable(key, name_length), text_of(value));
    }
    weights.metadata.emplace(key, value.get_ref<const std::string&>());
  }
}

/// One entry of the header and the bytes that go with it.
struct Chunk {
  std::string name;
  const char* dtype;
  Shape shape;
  Bytes bytes;
  std::size_t alignment;
};

void add_chunks(const WeightView& view, std::vector<Chunk>& chunks) {
  expect(can_hold(view.dtype), ErrorKind::unsupported, "tensor '{}': a safetensors file cannot hold {}", view.name,
         name_of(view.dtype));
  if (!is_quantised(view.dtype)) {
    const auto found = std::ranges::find(types, std::optional(view.dtype), &Type::dtype);
    chunks.push_back({view.name, found->name, view.shape, view.bytes, size_of(view.dtype)});
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

std::shared_ptr<const Weights> parse(const Bytes& bytes, const std::string& name, std::shared_ptr<const void> owner) {
  expect(bytes.size() >= 8, ErrorKind::wrong_format, "weights '{}': expected a safetensors file, found {} bytes", name,
         bytes.size());
  std::uint64_t header_bytes = 0;
  const auto length = bytes.subspan(0, 8).read();
  for (std::size_t i = 8; i-- > 0;) header_bytes = header_bytes << 8 | std::to_integer<std::uint64_t>(length[i]);
  expect(
      header_bytes <= std::min<std::uint64_t>(bytes.size() - 8, most_header), ErrorKind::wrong_format,
      "weights '{}': expected a safetensors file; its header would be {} bytes of a {}-byte file, and {} are the most",
      name, header_bytes, bytes.size(), most_header);

  auto weights = std::make_shared<Weights>();
  weights->owner = std::move(owner);
  weights->file_bytes = bytes.size();
  const auto text = bytes.subspan(8, header_bytes).read();
  const std::string what = fmt::format("weights '{}': bad safetensors header", name);
  const Json parsed = parse_json({reinterpret_cast<const char*>(text.data()), text.size()}, what);
  const json& header = *parsed;
  expect(header.is_object() && text.front() == std::byte{'{'}, ErrorKind::wrong_format,
         "weights '{}': header is not a JSON object", name);
  Entries entries(bytes.subspan(8 + header_bytes, bytes.size() - 8 - header_bytes), name, *weights);
  for (const auto& [key, entry] : header.items()) {
    if (key == "__metadata__") {
      add_metadata(entry, what, *weights);
    } else {
      entries.add(key, entry);
    }
  }
  entries.check_places();
  const auto quantised = weights->metadata.find("quantised");
  if (quantised != weights->metadata.end()) {
    expect(quantised->second == "g32", ErrorKind::wrong_format,
           "weights '{}': metadata 'quantised': expected 'g32', found '{}'", name, printable(quantised->second, 40));
    weights->metadata.erase(quantised);
    join_scales(*weights, name);
  }
  return weights;
}

std::shared_ptr<const Weights> open(const std::filesystem::path& path) {
  auto file = FileBytes::open(path);
  return parse(Bytes(*file), path.string(), file);
}

bool can_hold(DType dtype) noexcept { return dtype != DType::q8_0 && dtype != DType::q4_0; }

namespace {

/// What a header cannot hold, and what its reader would take for something else.
void expect_holds(const Weights& weights) {
  for (const auto& [key, value] : weights.metadata) {
    expect(is_utf8(key) && is_utf8(value), ErrorKind::unsupported,
           "metadata '{}': a safetensors file holds UTF-8 only, found other bytes", printable(key, name_length));
    expect(key != "quantised", ErrorKind::unsupported,
           "metadata 'quantised': a safetensors file says by it how it is stored, found '{}'",
           printable(value, name_length));
  }
  for (const auto& [name, view] : weights.tensors) {
    expect(is_utf8(name), ErrorKind::unsupported, "tensor '{}': a safetensors file holds names in UTF-8 only",
           printable(name, name_length));
  }
}

}  // namespace

void write(const std::filesystem::path& path, const Weights& weights) {
  expect_holds(weights);
  std::vector<Chunk> chunks;
  auto metadata = weights.metadata;
  for (const auto& [name, view] : weights.tensors) {
    add_chunks(view, chunks);
    if (is_quantised(view.dtype)) metadata["quantised"] = "g32";
  }
  // The format allows no holes, so wide types come first: then every tensor is aligned to its type.
  std::ranges::stable_sort(chunks, std::greater(), &Chunk::alignment);
  Json whole(json::object());
  json& header = *whole;
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  for (const Chunk& chunk : chunks) {
    const std::uint64_t end = offset + chunk.bytes.size();
    expect(!header.contains(chunk.name) && chunk.name != "__metadata__", ErrorKind::unsupported,
           "tensor '{}': its name is taken", printable(chunk.name, name_length));
    header[chunk.name] = {{"dtype", chunk.dtype}, {"shape", chunk.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = json_text(header);
  text.append((8 - text.size() % 8) % 8, ' ');
  expect(text.size() <= most_header, ErrorKind::unsupported,
         "'{}': a safetensors file has a header of at most {} bytes, found {}", path.string(), most_header,
         text.size());
  NewFile file(path);
  const std::uint64_t size = text.size();
  file.write(std::as_bytes(std::span(&size, 1)));
  file.write(text);
  for (const Chunk& chunk : chunks) {
    file.write(chunk.bytes.read());
    chunk.bytes.release();
  }
  file.finish();
}

}  // namespace dit::safetensors
