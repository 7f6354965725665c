// SPDX-License-Identifier: MIT
#include "engine/model/formats/gguf.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/files/mapped_file.h"
#include "engine/files/new_file.h"
#include "engine/model/formats/cursor.h"

namespace dit::gguf {
namespace {

constexpr std::uint32_t magic = 0x46554747;  // "GGUF"
constexpr std::uint32_t rank_limit = 4;
constexpr std::uint32_t default_alignment = 32;
constexpr std::size_t name_limit = 63;  // ggml keeps names in 64 bytes
constexpr int array_depth_limit = 4;
constexpr const char* own_prefix = "ditsrc.";
constexpr const char* architecture_key = "general.architecture";

// Numbers of ggml's types.
constexpr std::pair<std::uint32_t, DType> dtypes[] = {
    {0, DType::f32},  {1, DType::f16},  {2, DType::q4_0}, {8, DType::q8_0}, {24, DType::i8},
    {25, DType::i16}, {26, DType::i32}, {27, DType::i64}, {28, DType::f64}, {30, DType::bf16}};

// Numbers of the types of metadata values.
enum class Kind : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

class Parser {
 public:
  Parser(std::span<const std::byte> bytes, const std::string& file, Weights& weights)
      : bytes_(bytes), file_(file), cursor_(bytes, file), weights_(weights) {}

  void parse() {
    expect(bytes_.size() >= 24 && cursor_.number<std::uint32_t>("magic") == magic, ErrorKind::wrong_format,
           "weights '{}': expected a GGUF file", file_);
    const auto version = cursor_.number<std::uint32_t>("version");
    expect(version == 2 || version == 3, ErrorKind::wrong_format,
           "weights '{}': expected GGUF version 2 or 3, little endian, found {:#x}", file_, version);
    const auto tensors = cursor_.number<std::uint64_t>("tensor count");
    const std::uint64_t entries = cursor_.count(12, "metadata count");
    for (std::uint64_t i = 0; i < entries; ++i) metadata();
    expect(tensors <= cursor_.remaining() / 24, ErrorKind::wrong_format,
           "weights '{}': tensor count: {} of at least 24 bytes, found {} bytes", file_, tensors, cursor_.remaining());
    // Where the data starts is known only after the last info.
    std::vector<std::pair<WeightView*, std::uint64_t>> offsets;
    offsets.reserve(tensors);
    for (std::uint64_t i = 0; i < tensors; ++i) offsets.push_back(info());
    const std::uint64_t at = (cursor_.position() + alignment_ - 1) / alignment_ * alignment_;
    const auto data = bytes_.subspan(std::min<std::uint64_t>(at, bytes_.size()));
    for (const auto& [view, offset] : offsets) place(*view, offset, data);
  }

 private:
  void metadata() {
    std::string key = cursor_.text("metadata key");
    const auto kind = static_cast<Kind>(cursor_.number<std::uint32_t>("metadata type"));
    if (key == "general.alignment") {
      expect(kind == Kind::u32, ErrorKind::wrong_format, "weights '{}': general.alignment: expected u32, found type {}",
             file_, static_cast<std::uint32_t>(kind));
      alignment_ = cursor_.number<std::uint32_t>("general.alignment");
      expect(std::has_single_bit(alignment_) && alignment_ <= 1u << 20, ErrorKind::wrong_format,
             "weights '{}': general.alignment: expected a power of two up to 1048576, found {}", file_, alignment_);
      return;
    }
    if (key.starts_with(own_prefix)) key.erase(0, std::strlen(own_prefix));
    std::string text = value(kind, 0);
    expect(weights_.metadata.emplace(key, std::move(text)).second, ErrorKind::wrong_format,
           "weights '{}': metadata '{}' is there twice", file_, key);
  }

  template <typename T>
  std::string number() {
    return fmt::format("{}", cursor_.number<T>("metadata value"));
  }

  std::string value(Kind kind, int depth) {
    switch (kind) {
      case Kind::u8:
        return number<std::uint8_t>();
      case Kind::i8:
        return fmt::format("{}", int{cursor_.number<std::int8_t>("metadata value")});
      case Kind::u16:
        return number<std::uint16_t>();
      case Kind::i16:
        return number<std::int16_t>();
      case Kind::u32:
        return number<std::uint32_t>();
      case Kind::i32:
        return number<std::int32_t>();
      case Kind::f32:
        return number<float>();
      case Kind::boolean:
        return cursor_.number<std::uint8_t>("metadata value") ? "true" : "false";
      case Kind::string:
        return cursor_.text("metadata value");
      case Kind::array:
        return array(depth);
      case Kind::u64:
        return number<std::uint64_t>();
      case Kind::i64:
        return number<std::int64_t>();
      case Kind::f64:
        return number<double>();
    }
    fail(ErrorKind::wrong_format, "weights '{}': metadata type: expected 0 to 12, found {}", file_,
         static_cast<std::uint32_t>(kind));
  }

  /// Walks over the elements; vocabularies of language models are large and of no use here.
  std::string array(int depth) {
    expect(depth < array_depth_limit, ErrorKind::wrong_format, "weights '{}': metadata: arrays nested over {} deep",
           file_, array_depth_limit);
    const auto kind = static_cast<Kind>(cursor_.number<std::uint32_t>("array type"));
    const std::uint64_t count = cursor_.count(1, "array length");
    for (std::uint64_t i = 0; i < count; ++i) value(kind, depth + 1);
    return fmt::format("[{}]", count);
  }

  std::pair<WeightView*, std::uint64_t> info() {
    WeightView view;
    view.name = cursor_.text("tensor name");
    const auto rank = cursor_.number<std::uint32_t>("tensor rank");
    expect(rank <= rank_limit, ErrorKind::wrong_format,
           "weights '{}': tensor '{}': expected at most {} dimensions, found {}", file_, view.name, rank_limit, rank);
    for (std::uint32_t i = 0; i < rank; ++i) {
      const auto size = cursor_.number<std::uint64_t>("tensor dimension");
      expect(size <= std::numeric_limits<std::uint32_t>::max(), ErrorKind::wrong_format,
             "weights '{}': tensor '{}': dimension {} is over 32 bits", file_, view.name, size);
      view.shape.insert(view.shape.begin(), static_cast<std::uint32_t>(size));
    }
    const auto type = cursor_.number<std::uint32_t>("tensor type");
    const auto found = std::ranges::find(dtypes, type, &std::pair<std::uint32_t, DType>::first);
    expect(found != std::end(dtypes), ErrorKind::wrong_format,
           "weights '{}': tensor '{}': ggml type {} is not supported; F32, F16, BF16, F64, Q8_0, Q4_0 and integers are",
           file_, view.name, type);
    view.dtype = found->second;
    const auto offset = cursor_.number<std::uint64_t>("tensor offset");
    const auto [place, is_new] = weights_.tensors.emplace(view.name, view);
    expect(is_new, ErrorKind::wrong_format, "weights '{}': tensor '{}' is there twice", file_, view.name);
    return {&place->second, offset};
  }

  void place(WeightView& view, std::uint64_t offset, std::span<const std::byte> data) {
    if (is_quantised(view.dtype)) {
      expect(!view.shape.empty() && view.shape.back() % group_size == 0, ErrorKind::wrong_format,
             "weights '{}': tensor '{}': {} needs rows of a multiple of {}, found {}", file_, view.name,
             name_of(view.dtype), group_size, to_string(view.shape));
    }
    // The product may overflow 64 bits in a hostile file, so it is checked dimension by dimension against the data.
    std::uint64_t count = 1;
    const std::uint64_t most = data.size() / size_of(view.dtype) * (is_quantised(view.dtype) ? group_size : 1);
    for (const std::uint32_t size : view.shape) {
      expect(size == 0 || count <= most / size, ErrorKind::wrong_format,
             "weights '{}': tensor '{}': {} {} needs more than the {} data bytes of the file", file_, view.name,
             name_of(view.dtype), to_string(view.shape), data.size());
      count *= size;
    }
    const std::uint64_t bytes = storage_bytes(view.dtype, count);
    expect(offset % alignment_ == 0, ErrorKind::wrong_format,
           "weights '{}': tensor '{}': offset {} is not a multiple of {}", file_, view.name, offset, alignment_);
    expect(offset <= data.size() && bytes <= data.size() - offset, ErrorKind::wrong_format,
           "weights '{}': tensor '{}': {} bytes from {} on lie outside the {} data bytes of the file (truncated?)",
           file_, view.name, bytes, offset, data.size());
    view.bytes = data.subspan(offset, bytes);
  }

  std::span<const std::byte> bytes_;
  const std::string& file_;
  Cursor cursor_;
  Weights& weights_;
  std::uint32_t alignment_ = default_alignment;
};

/// The header of a file, growing.
class Header {
 public:
  template <typename T>
  void number(T value) {
    const auto* bytes = reinterpret_cast<const char*>(&value);
    text_.append(bytes, sizeof(T));
  }
  void string(const std::string& value) {
    number<std::uint64_t>(value.size());
    text_ += value;
  }
  void entry(const std::string& key, const std::string& value) {
    string(key);
    number(static_cast<std::uint32_t>(Kind::string));
    string(value);
  }
  void pad() { text_.append(padding(text_.size()), '\0'); }
  const std::string& text() const { return text_; }

  static std::size_t padding(std::size_t size) {
    return (default_alignment - size % default_alignment) % default_alignment;
  }

 private:
  std::string text_;
};

void add_info(const WeightView& view, std::uint64_t offset, Header& header) {
  expect(can_hold(view.dtype), ErrorKind::unsupported, "tensor '{}': a GGUF file cannot hold {}", view.name,
         name_of(view.dtype));
  expect(view.shape.size() <= rank_limit, ErrorKind::unsupported,
         "tensor '{}': a GGUF file holds at most {} dimensions, found {}", view.name, rank_limit,
         to_string(view.shape));
  expect(view.name.size() <= name_limit, ErrorKind::unsupported,
         "tensor '{}': a GGUF file holds names of at most {} bytes, found {}", view.name, name_limit, view.name.size());
  header.string(view.name);
  header.number(static_cast<std::uint32_t>(view.shape.size()));
  for (std::size_t i = view.shape.size(); i-- > 0;) header.number(std::uint64_t{view.shape[i]});
  header.number(std::ranges::find(dtypes, view.dtype, &std::pair<std::uint32_t, DType>::second)->first);
  header.number(offset);
}

}  // namespace

std::shared_ptr<const Weights> parse(std::span<const std::byte> bytes, const std::string& name,
                                     std::shared_ptr<const void> owner) {
  auto weights = std::make_shared<Weights>();
  weights->owner = std::move(owner);
  weights->file_bytes = bytes.size();
  Parser(bytes, name, *weights).parse();
  return weights;
}

std::shared_ptr<const Weights> open(const std::filesystem::path& path) {
  auto file = MappedFile::open(path);
  const auto bytes = file->bytes();
  return parse(bytes, path.string(), std::move(file));
}

bool can_hold(DType dtype) noexcept {
  return std::ranges::find(dtypes, dtype, &std::pair<std::uint32_t, DType>::second) != std::end(dtypes);
}

void write(const std::filesystem::path& path, const Weights& weights) {
  Header header;
  header.number(magic);
  header.number(std::uint32_t{3});
  header.number(std::uint64_t{weights.tensors.size()});
  // GGUF wants this key; first, so that the same content gives the same bytes wherever it came from.
  auto metadata = weights.metadata;
  metadata.try_emplace(architecture_key, "ditsrc");
  header.number(std::uint64_t{metadata.size()});
  header.entry(architecture_key, metadata.extract(architecture_key).mapped());
  for (const auto& [key, value] : metadata) header.entry(key.starts_with("general.") ? key : own_prefix + key, value);
  std::uint64_t offset = 0;
  for (const auto& [name, view] : weights.tensors) {
    add_info(view, offset, header);
    offset += view.bytes.size() + Header::padding(view.bytes.size());
  }
  header.pad();
  NewFile file(path);
  file.write(header.text());
  for (const auto& [name, view] : weights.tensors) {
    file.write(view.bytes);
    file.write(std::string(Header::padding(view.bytes.size()), '\0'));
  }
  file.finish();
}

}  // namespace dit::gguf
