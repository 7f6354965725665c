// SPDX-License-Identifier: MIT
#include "engine/model/formats/npy.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>

#include "engine/error.h"
#include "engine/files/new_file.h"

namespace dit::npy {
namespace {

constexpr std::string_view magic = "\x93NUMPY";
constexpr std::size_t alignment = 64;
constexpr std::size_t rank_limit = 32;      // NumPy's own
constexpr std::size_t most_header = 65535;  // of version 1; the others are for structured types, which we have not
constexpr std::pair<std::string_view, DType> dtypes[] = {
    {"<f4", DType::f32}, {"<f2", DType::f16}, {"<f8", DType::f64}, {"|i1", DType::i8},
    {"|u1", DType::u8},  {"<i2", DType::i16}, {"<u2", DType::u16}, {"<i4", DType::i32},
    {"<u4", DType::u32}, {"<i8", DType::i64}, {"<u8", DType::u64}, {"|b1", DType::boolean}};

/// Reads the header, which is a Python dictionary with exactly three known keys.
class Header {
 public:
  Header(std::string_view text, const std::string& file) : rest_(text), file_(file) {}

  void parse(WeightView& view) {
    take("{");
    std::string_view seen[3];
    for (int i = 0; i < 3; ++i) {
      const std::string_view key = seen[i] = string();
      if (std::find(seen, seen + i, key) != seen + i) bad("each key once", key);
      take(":");
      if (key == "descr") {
        view.dtype = dtype(string());
      } else if (key == "fortran_order") {
        expect(word() == "False", ErrorKind::wrong_format, "array '{}': expected C order, found another", file_);
      } else if (key == "shape") {
        view.shape = shape();
      } else {
        bad("descr, fortran_order or shape", key);
      }
      if (i < 2 || peek() == ',') take(",");
    }
    take("}");
    if (peek() != '\0' || !rest_.empty()) bad("nothing after the }", rest_);
  }

 private:
  [[noreturn]] void bad(const char* expected, std::string_view found) const {
    fail(ErrorKind::wrong_format, "array '{}': header: expected {}, found '{}'", file_, expected, found.substr(0, 20));
  }
  char peek() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \n"), rest_.size()));
    return rest_.empty() ? '\0' : rest_.front();
  }
  void take(const char* expected) {
    if (peek() != *expected) bad(expected, rest_);
    rest_.remove_prefix(1);
  }
  std::string_view string() {
    take("'");
    const std::size_t end = rest_.find('\'');
    if (end == std::string_view::npos) bad("a closing '", rest_);
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return text;
  }
  std::string_view word() {
    peek();
    const std::string_view text = rest_.substr(0, std::min(rest_.find_first_of(",} "), rest_.size()));
    rest_.remove_prefix(text.size());
    return text;
  }
  Shape shape() {
    Shape sizes;
    for (take("("); peek() != ')';) {
      std::uint32_t size = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), size);
      if (error != std::errc() || sizes.size() == rank_limit) bad("a dimension below 2^32", rest_);
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      sizes.push_back(size);
      // "(3)" is a number in Python, and no tuple.
      if (peek() != ')' || sizes.size() == 1) take(",");
    }
    take(")");
    return sizes;
  }
  DType dtype(std::string_view text) const {
    const auto found = std::ranges::find(dtypes, text, &std::pair<std::string_view, DType>::first);
    if (found == std::end(dtypes)) bad("a little-endian number type such as <f4", text);
    return found->second;
  }

  std::string_view rest_;
  const std::string& file_;
};

}  // namespace

std::shared_ptr<const Weights> parse(const Bytes& bytes, const std::string& name, std::shared_ptr<const void> owner) {
  const auto head = bytes.subspan(0, std::min<std::size_t>(bytes.size(), 12)).read();
  const auto byte = [&](std::size_t i) { return std::to_integer<std::size_t>(head[i]); };
  expect(head.size() >= 10 && std::memcmp(head.data(), magic.data(), magic.size()) == 0, ErrorKind::wrong_format,
         "array '{}': expected an .npy file", name);
  const std::size_t version = byte(6);
  expect(version == 1 || version == 2 || version == 3, ErrorKind::wrong_format,
         "array '{}': expected .npy version 1 to 3, found {}", name, version);
  const std::size_t start = version == 1 ? 10 : 12;
  expect(head.size() >= start, ErrorKind::wrong_format, "array '{}': {} bytes, too short for a header", name,
         bytes.size());
  std::size_t size = byte(8) | byte(9) << 8;
  if (version > 1) size |= byte(10) << 16 | byte(11) << 24;
  expect(size <= std::min(most_header, bytes.size() - start), ErrorKind::wrong_format,
         "array '{}': its header would be {} bytes of a {}-byte file, and {} are the most", name, size, bytes.size(),
         most_header);

  WeightView view;
  view.name = std::filesystem::path(name).stem().string();
  const auto header = bytes.subspan(start, size).read();
  Header({reinterpret_cast<const char*>(header.data()), size}, name).parse(view);
  const Bytes data = bytes.subspan(start + size, bytes.size() - start - size);
  std::uint64_t wanted = size_of(view.dtype);
  for (const std::uint32_t length : view.shape) {
    expect(length == 0 || wanted <= data.size() / length, ErrorKind::wrong_format,
           "array '{}': {} {} needs more than the {} data bytes of the file (truncated?)", name, name_of(view.dtype),
           to_string(view.shape), data.size());
    wanted *= length;
  }
  expect(wanted == data.size(), ErrorKind::wrong_format, "array '{}': expected {} data bytes for {} {}, found {}", name,
         wanted, name_of(view.dtype), to_string(view.shape), data.size());
  view.bytes = data;
  auto weights = std::make_shared<Weights>();
  weights->owner = std::move(owner);
  weights->file_bytes = bytes.size();
  weights->tensors.emplace(view.name, view);
  return weights;
}

std::shared_ptr<const Weights> open(const std::filesystem::path& path) {
  auto file = FileBytes::open(path);
  return parse(Bytes(*file), path.string(), file);
}

void write(const std::filesystem::path& path, const Shape& shape, std::span<const float> values) {
  expect(element_count(shape) == values.size(), ErrorKind::settings, "array '{}': {} values for {}", path.string(),
         values.size(), to_string(shape));
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (";
  for (const std::uint32_t size : shape) header += std::to_string(size) + ",";
  header += "), }";
  // Data starts at a multiple of 64, as NumPy writes it; the header ends in a line feed.
  const std::size_t head = magic.size() + 4;
  header.append((alignment - (head + header.size() + 1) % alignment) % alignment, ' ');
  header += '\n';
  expect(header.size() <= std::numeric_limits<std::uint16_t>::max(), ErrorKind::unsupported,
         "array '{}': too many dimensions", path.string());
  NewFile file(path);
  file.write(magic);
  const char rest[] = {1, 0, static_cast<char>(header.size() & 255), static_cast<char>(header.size() >> 8)};
  file.write(std::string_view(rest, sizeof rest));
  file.write(header);
  file.write(std::as_bytes(values));
  file.finish();
}

}  // namespace dit::npy
