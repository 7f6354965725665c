// SPDX-License-Identifier: MIT
#include "engine/model/formats/gguf.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "engine/error.h"
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
constexpr const char* alignment_key = "general.alignment";  // of the file itself, and so never metadata to be kept

// The header's length, as the readers of safetensors limit theirs: what is kept of it takes memory.
constexpr std::uint64_t most_header = 100'000'000;
constexpr std::uint64_t most_key = 65535;  // of the format's description

/// One of ggml's types: how many bytes a block of so many elements takes, and what it is here.
struct Type {
  std::uint32_t number;
  const char* name;
  std::uint32_t elements, bytes;
  std::optional<DType> dtype;
};

// source: ggml's table of types, 2026; numbers that are left out have gone out of use
constexpr Type types[] = {
    {0, "F32", 1, 4, DType::f32},     {1, "F16", 1, 2, DType::f16},    {2, "Q4_0", 32, 18, DType::q4_0},
    {3, "Q4_1", 32, 20, {}},          {6, "Q5_0", 32, 22, {}},         {7, "Q5_1", 32, 24, {}},
    {8, "Q8_0", 32, 34, DType::q8_0}, {9, "Q8_1", 32, 36, {}},         {10, "Q2_K", 256, 84, {}},
    {11, "Q3_K", 256, 110, {}},       {12, "Q4_K", 256, 144, {}},      {13, "Q5_K", 256, 176, {}},
    {14, "Q6_K", 256, 210, {}},       {15, "Q8_K", 256, 292, {}},      {16, "IQ2_XXS", 256, 66, {}},
    {17, "IQ2_XS", 256, 74, {}},      {18, "IQ3_XXS", 256, 98, {}},    {19, "IQ1_S", 256, 50, {}},
    {20, "IQ4_NL", 32, 18, {}},       {21, "IQ3_S", 256, 110, {}},     {22, "IQ2_S", 256, 82, {}},
    {23, "IQ4_XS", 256, 136, {}},     {24, "I8", 1, 1, DType::i8},     {25, "I16", 1, 2, DType::i16},
    {26, "I32", 1, 4, DType::i32},    {27, "I64", 1, 8, DType::i64},   {28, "F64", 1, 8, DType::f64},
    {29, "IQ1_M", 256, 56, {}},       {30, "BF16", 1, 2, DType::bf16}, {34, "TQ1_0", 256, 54, {}},
    {35, "TQ2_0", 256, 66, {}},       {39, "MXFP4", 32, 17, {}}};

// Numbers of the types of metadata values.
enum class Kind : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };
constexpr std::uint32_t kind_bytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

/// A tensor's description.
struct Info {
  std::string name;
  Shape shape;
  std::uint32_t type = 0;
  std::uint64_t offset = 0;
};

class Parser {
 public:
  Parser(const Bytes& bytes, const std::string& file, Weights& weights)
      : bytes_(bytes), file_(file), cursor_(bytes, file), weights_(weights) {}

  void parse() {
    expect(bytes_.size() >= 24 && cursor_.number<std::uint32_t>("magic") == magic, ErrorKind::wrong_format,
           "weights '{}': expected a GGUF file", file_);
    const auto version = cursor_.number<std::uint32_t>("version");
    expect(version == 2 || version == 3, ErrorKind::wrong_format,
           "weights '{}': expected GGUF version 2 or 3, little endian, found {:#x}", file_, version);
    const auto tensors = cursor_.number<std::uint64_t>("tensor count");
    const std::uint64_t entries = cursor_.count(12, "metadata count");
    for (std::uint64_t i = 0; i < entries; ++i) {
      metadata();
      expect_short();
    }
    expect(tensors <= std::min<std::uint64_t>(most_tensors, cursor_.remaining() / 24), ErrorKind::wrong_format,
           "weights '{}': tensor count: {} of at least 24 bytes, found {} bytes", file_, tensors, cursor_.remaining());
    // Where the data starts is known only after the last info.
    std::vector<Info> infos;
    infos.reserve(tensors);
    for (std::uint64_t i = 0; i < tensors; ++i) {
      infos.push_back(info());
      expect_short();
    }
    const std::uint64_t at = (cursor_.position() + alignment_ - 1) / alignment_ * alignment_;
    const std::uint64_t start = std::min<std::uint64_t>(at, bytes_.size());
    place(infos, bytes_.subspan(start, bytes_.size() - start));
  }

 private:
  void expect_short() const {
    expect(cursor_.position() <= most_header, ErrorKind::wrong_format,
           "weights '{}': expected a header of at most {} bytes, found more", file_, most_header);
  }

  void metadata() {
    std::string key = cursor_.text(most_key, "metadata key");
    const std::uint64_t start = cursor_.position();
    const auto kind = static_cast<Kind>(cursor_.number<std::uint32_t>("metadata type"));
    const bool is_alignment = key == alignment_key, own = key.starts_with(own_prefix);
    if (own) key.erase(0, std::strlen(own_prefix));
    const bool is_new = is_alignment ? !std::exchange(aligned_, true) : keys_.insert(key).second;
    if (!is_new)
      fail(ErrorKind::wrong_format, "weights '{}': metadata '{}' is there twice", file_, printable(key, name_length));
    if (is_alignment) {
      expect(kind == Kind::u32, ErrorKind::wrong_format, "weights '{}': general.alignment: expected u32, found type {}",
             file_, static_cast<std::uint32_t>(kind));
      alignment_ = cursor_.number<std::uint32_t>("general.alignment");
      expect(std::has_single_bit(alignment_) && alignment_ <= 1u << 20, ErrorKind::wrong_format,
             "weights '{}': general.alignment: expected a power of two up to 1048576, found {}", file_, alignment_);
      return;
    }
    std::string text = value(kind);
    if (!own) {
      const auto bytes = bytes_.subspan(start, cursor_.position() - start).read();
      weights_.gguf_values.emplace(key, std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    }
    weights_.metadata.emplace(std::move(key), std::move(text));
  }

  template <typename T>
  std::string number() {
    return fmt::format("{}", cursor_.number<T>("metadata value"));
  }

  std::string value(Kind kind) {
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
        return cursor_.text(most_header, "metadata value");
      case Kind::array:
        return array(0);
      case Kind::u64:
        return number<std::uint64_t>();
      case Kind::i64:
        return number<std::int64_t>();
      case Kind::f64:
        return number<double>();
    }
    refuse(kind);
  }
  [[noreturn]] void refuse(Kind kind) const {
    fail(ErrorKind::wrong_format, "weights '{}': metadata type: expected 0 to 12, found {}", file_,
         static_cast<std::uint32_t>(kind));
  }

  /// Walks over the elements; vocabularies of language models are large and of no use here.
  std::string array(int depth) {
    expect(depth < array_depth_limit, ErrorKind::wrong_format, "weights '{}': metadata: arrays nested over {} deep",
           file_, array_depth_limit);
    const auto kind = static_cast<Kind>(cursor_.number<std::uint32_t>("array type"));
    if (kind > Kind::f64) refuse(kind);
    const std::uint32_t size = kind_bytes[static_cast<std::size_t>(kind)];
    const std::uint64_t count = cursor_.count(size > 0 ? size : sizeof(std::uint64_t), "array length");
    if (size > 0) cursor_.skip(count * size, "array");
    for (std::uint64_t i = 0; size == 0 && i < count; ++i) {
      if (kind == Kind::array) {
        array(depth + 1);
      } else {
        cursor_.skip(cursor_.number<std::uint64_t>("array element"), "array element");
      }
      expect_short();
    }
    return fmt::format("[{}]", count);
  }

  Info info() {
    Info info;
    info.name = cursor_.text(name_limit, "tensor name");
    expect(names_.insert(info.name).second, ErrorKind::wrong_format, "weights '{}': tensor '{}' is there twice", file_,
           info.name);
    const auto rank = cursor_.number<std::uint32_t>("tensor rank");
    expect(rank <= rank_limit, ErrorKind::wrong_format,
           "weights '{}': tensor '{}': expected at most {} dimensions, found {}", file_, info.name, rank_limit, rank);
    for (std::uint32_t i = 0; i < rank; ++i) {
      const auto size = cursor_.number<std::uint64_t>("tensor dimension");
      expect(size <= std::numeric_limits<std::uint32_t>::max(), ErrorKind::wrong_format,
             "weights '{}': tensor '{}': dimension {} is over 32 bits", file_, info.name, size);
      info.shape.insert(info.shape.begin(), static_cast<std::uint32_t>(size));
    }
    info.type = cursor_.number<std::uint32_t>("tensor type");
    info.offset = cursor_.number<std::uint64_t>("tensor offset");
    return info;
  }

  /// Bytes of a tensor of a known type.
  std::uint64_t size_of_data(const Info& info, const Type& type, std::uint64_t most) const {
    if (type.elements > 1) {
      expect(!info.shape.empty() && info.shape.back() % type.elements == 0, ErrorKind::wrong_format,
             "weights '{}': tensor '{}': {} needs rows of a multiple of {}, found {}", file_, info.name, type.name,
             type.elements, to_string(info.shape));
    }
    // The product may overflow 64 bits in a hostile file, so it is checked dimension by dimension against the data.
    std::uint64_t count = 1;
    const std::uint64_t elements = most / type.bytes * type.elements;
    for (const std::uint32_t size : info.shape) {
      expect(size == 0 || count <= elements / size, ErrorKind::wrong_format,
             "weights '{}': tensor '{}': {} {} needs more than the {} data bytes of the file", file_, info.name,
             type.name, to_string(info.shape), most);
      count *= size;
    }
    return count / type.elements * type.bytes;
  }

  /// As ggml does, one tensor after the other, each at the next multiple of the alignment: nothing lies between them,
  /// nothing under two of them, nothing behind the last.
  void place(const std::vector<Info>& infos, const Bytes& data) {
    std::uint64_t expected = 0;
    for (std::size_t i = 0; i < infos.size(); ++i) {
      const Info& info = infos[i];
      expect(info.offset == expected, ErrorKind::wrong_format,
             "weights '{}': tensor '{}': expected offset {}, found {}", file_, info.name, expected, info.offset);
      const auto type = std::ranges::find(types, info.type, &Type::number);
      std::uint64_t bytes = 0;
      if (type != std::end(types)) {
        bytes = size_of_data(info, *type, data.size());
      } else {  // only the next one says how long it is
        const std::uint64_t next = i + 1 < infos.size() ? infos[i + 1].offset : data.size();
        bytes = std::max(next, info.offset) - info.offset;
      }
      expect(info.offset <= data.size() && bytes <= data.size() - info.offset, ErrorKind::wrong_format,
             "weights '{}': tensor '{}': {} bytes from {} on lie outside the {} data bytes of the file (truncated?)",
             file_, info.name, bytes, info.offset, data.size());
      expected = (info.offset + bytes + alignment_ - 1) / alignment_ * alignment_;
      if (type != std::end(types) && type->dtype) {
        weights_.add({info.name, *type->dtype, info.shape, data.subspan(info.offset, bytes), {}}, file_);
      } else {
        const std::string name = type == std::end(types) ? fmt::format("type {}", info.type) : type->name;
        weights_.add(info.name, {name, info.shape, bytes, fmt::format("its type {} is none of ours", name)}, file_);
      }
    }
    expect(data.size() <= expected, ErrorKind::wrong_format, "weights '{}': {} bytes are left after the last tensor{}",
           file_, data.size() - std::min<std::uint64_t>(expected, data.size()),
           infos.empty() ? "" : " '" + infos.back().name + "'");
  }

  Bytes bytes_;
  const std::string& file_;
  Cursor cursor_;
  Weights& weights_;
  std::set<std::string> keys_, names_;
  std::uint32_t alignment_ = default_alignment;
  bool aligned_ = false;  // said by the file
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
  void key(const std::string& key) {
    expect(key.size() <= most_key, ErrorKind::unsupported,
           "metadata '{}': a GGUF file holds keys of at most {} bytes, found {}", printable(key, name_length), most_key,
           key.size());
    string(key);
  }
  void entry(const std::string& name, const std::string& value) {
    key(name);
    number(static_cast<std::uint32_t>(Kind::string));
    string(value);
  }
  /// As it lay in another file.
  void raw(const std::string& name, const std::string& value) {
    key(name);
    text_ += value;
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
  header.number(std::ranges::find(types, std::optional(view.dtype), &Type::dtype)->number);
  header.number(offset);
}

}  // namespace

std::shared_ptr<const Weights> parse(const Bytes& bytes, const std::string& name, std::shared_ptr<const void> owner) {
  auto weights = std::make_shared<Weights>();
  weights->owner = std::move(owner);
  weights->file_bytes = bytes.size();
  Parser(bytes, name, *weights).parse();
  return weights;
}

std::shared_ptr<const Weights> open(const std::filesystem::path& path) {
  auto file = FileBytes::open(path);
  return parse(Bytes(*file), path.string(), file);
}

bool is_array(std::string_view value) noexcept {
  auto kind = Kind::u8;
  if (value.size() >= sizeof kind) std::memcpy(&kind, value.data(), sizeof kind);
  return kind == Kind::array;
}

bool can_hold(DType dtype) noexcept {
  return std::ranges::find(types, std::optional(dtype), &Type::dtype) != std::end(types);
}

namespace {

void add_metadata(const Weights& weights, Header& header) {
  // GGUF wants this key; first, so that the same content gives the same bytes wherever it came from.
  auto metadata = weights.metadata;
  metadata.try_emplace(architecture_key, "ditsrc");
  header.number(std::uint64_t{metadata.size()});
  header.entry(architecture_key, metadata.extract(architecture_key).mapped());
  for (const auto& [key, value] : metadata) {
    const auto found = weights.gguf_values.find(key);
    const bool general = key.starts_with("general.") && key != alignment_key;
    if (found != weights.gguf_values.end()) {
      header.raw(key, found->second);
    } else {
      header.entry(general ? key : own_prefix + key, value);
    }
  }
}

}  // namespace

void write(const std::filesystem::path& path, const Weights& weights) {
  Header header;
  header.number(magic);
  header.number(std::uint32_t{3});
  header.number(std::uint64_t{weights.tensors.size()});
  add_metadata(weights, header);
  std::uint64_t offset = 0;
  for (const auto& [name, view] : weights.tensors) {
    add_info(view, offset, header);
    offset += view.bytes.size() + Header::padding(view.bytes.size());
  }
  expect(header.text().size() <= most_header, ErrorKind::unsupported,
         "'{}': expected a header of at most {} bytes, found {}", path.string(), most_header, header.text().size());
  header.pad();
  NewFile file(path);
  file.write(header.text());
  for (const auto& [name, view] : weights.tensors) {
    file.write(view.bytes.read());
    view.bytes.release();
    file.write(std::string(Header::padding(view.bytes.size()), '\0'));
  }
  file.finish();
}

}  // namespace dit::gguf
