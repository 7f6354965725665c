// SPDX-License-Identifier: MIT
#include "engine/model/weights.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "engine/error.h"
#include "engine/model/quantised.h"

namespace dit {

void Weights::expect_new(const std::string& name, const std::string& file) const {
  if (tensors.contains(name) || foreign.contains(name)) {
    fail(ErrorKind::wrong_format, "weights '{}': tensor '{}' is there twice", file, printable(name, name_length));
  }
  expect(tensors.size() + foreign.size() < most_tensors, ErrorKind::wrong_format,
         "weights '{}': expected at most {} tensors, found more", file, most_tensors);
}

void Weights::add(WeightView view, const std::string& file) {
  expect_new(view.name, file);
  std::string name = view.name;
  tensors.emplace(std::move(name), std::move(view));
}

void Weights::add(const std::string& name, ForeignTensor tensor, const std::string& file) {
  expect_new(name, file);
  foreign.emplace(name, std::move(tensor));
}

void Weights::expect_all_usable(const std::string& file) const {
  if (foreign.empty()) return;
  const auto& [name, tensor] = *foreign.begin();
  fail(ErrorKind::wrong_format, "weights '{}': tensor '{}' {} cannot be used: {}", file, printable(name, name_length),
       to_string(tensor.shape), tensor.problem);
}

namespace {

struct Traits {
  const char* name;
  std::uint32_t bytes;  // of an element, or of a group with its scale
  bool weight;
  bool quantised;
};

// In the order of DType.
constexpr Traits traits[] = {
    {"f32", 4, true, false},      {"f16", 2, true, false},  {"bf16", 2, true, false}, {"f64", 8, true, false},
    {"i8", 1, false, false},      {"u8", 1, false, false},  {"i16", 2, false, false}, {"u16", 2, false, false},
    {"i32", 4, false, false},     {"u32", 4, false, false}, {"i64", 8, false, false}, {"u64", 8, false, false},
    {"bool", 1, false, false},    {"q8_0", 34, true, true}, {"q4_0", 18, true, true}, {"int8-g32", 34, true, true},
    {"int4-g32", 18, true, true},
};
static_assert(std::size(traits) == static_cast<std::size_t>(DType::int4_g32) + 1);

const Traits& of(DType dtype) noexcept { return traits[static_cast<std::size_t>(dtype)]; }

template <typename T, typename Out>
void convert(const std::byte* source, std::span<Out> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, source + i * sizeof(T), sizeof(T));
    out[i] = static_cast<Out>(value);
  }
}

template <typename Out>
void convert_halves(const std::byte* source, bool brain, std::span<Out> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::uint16_t half;
    std::memcpy(&half, source + 2 * i, 2);
    out[i] = brain ? std::bit_cast<float>(std::uint32_t{half} << 16) : half_to_float(half);
  }
}

/// Any range, also one that starts or ends within a group.
template <typename Out>
void convert_groups(const WeightView& tensor, std::uint64_t first, std::span<Out> out) {
  std::array<std::int8_t, group_size> integers;
  float scale = 0;
  for (std::size_t done = 0; done < out.size();) {
    const std::uint64_t at = first + done;
    read_groups(tensor, at / group_size, integers, std::span(&scale, 1));
    const std::size_t begin = at % group_size;
    const std::size_t count = std::min<std::size_t>(group_size - begin, out.size() - done);
    for (std::size_t i = 0; i < count; ++i) out[done + i] = scale * static_cast<float>(integers[begin + i]);
    done += count;
  }
}

template <typename Out>
void read(const WeightView& tensor, std::uint64_t first, std::span<Out> out) {
  const std::uint64_t count = element_count(tensor.shape);
  expect(first <= count && out.size() <= count - first, ErrorKind::wrong_format,
         "tensor '{}': elements {} to {} asked for, it has {}", tensor.name, first, first + out.size(), count);
  if (out.empty()) return;
  if (is_quantised(tensor.dtype)) return convert_groups(tensor.read(), first, out);
  const std::byte* source = tensor.bytes.data() + first * size_of(tensor.dtype);
  switch (tensor.dtype) {
    case DType::f16:
    case DType::bf16:
      return convert_halves(source, tensor.dtype == DType::bf16, out);
    case DType::f64:
      return convert<double>(source, out);
    case DType::i8:
      return convert<std::int8_t>(source, out);
    case DType::u8:
    case DType::boolean:
      return convert<std::uint8_t>(source, out);
    case DType::i16:
      return convert<std::int16_t>(source, out);
    case DType::u16:
      return convert<std::uint16_t>(source, out);
    case DType::i32:
      return convert<std::int32_t>(source, out);
    case DType::u32:
      return convert<std::uint32_t>(source, out);
    case DType::i64:
      return convert<std::int64_t>(source, out);
    case DType::u64:
      return convert<std::uint64_t>(source, out);
    default:
      return convert<float>(source, out);
  }
}

}  // namespace

const char* name_of(DType dtype) noexcept { return of(dtype).name; }

DType dtype_from_name(const std::string& name) {
  std::string known;
  for (std::size_t i = 0; i < std::size(traits); ++i) {
    if (name == traits[i].name) return static_cast<DType>(i);
    known += (i ? ", " : "") + std::string(traits[i].name);
  }
  fail(ErrorKind::settings, "element type: expected one of {}, found '{}'", known, name);
}

std::size_t size_of(DType dtype) noexcept { return of(dtype).bytes; }

bool is_quantised(DType dtype) noexcept { return of(dtype).quantised; }

bool is_weight_type(DType dtype) noexcept { return of(dtype).weight; }

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ',';
    text += std::to_string(shape[i]);
  }
  text += ']';
  return text;
}

std::uint64_t element_count(const Shape& shape) noexcept {
  std::uint64_t count = 1;
  for (const std::uint32_t size : shape) count *= size;
  return count;
}

std::uint64_t storage_bytes(DType dtype, std::uint64_t count) noexcept {
  return (is_quantised(dtype) ? count / group_size : count) * size_of(dtype);
}

float half_to_float(std::uint16_t half) noexcept {
  const std::uint32_t sign = (half & 0x8000u) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1fu;
  const std::uint32_t mantissa = half & 0x3ffu;
  if (exponent == 0) {  // zero and subnormals: mantissa · 2⁻²⁴ is exact in f32
    const float value = std::ldexp(static_cast<float>(mantissa), -24);
    return sign ? -value : value;
  }
  const std::uint32_t wide = exponent == 31 ? 255 : exponent + (127 - 15);
  return std::bit_cast<float>(sign | wide << 23 | mantissa << 13);
}

std::uint16_t float_to_half(float value) noexcept {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u);
  // 65520 is half way from the largest half to the next one, which does not exist.
  if (magnitude >= 0x477ff000u) return static_cast<std::uint16_t>(sign | 0x7c00u);
  if (magnitude < 0x38800000u) {  // below 2⁻¹⁴: a whole number of 2⁻²⁴
    const float units = std::nearbyint(std::ldexp(std::bit_cast<float>(magnitude), 24));
    return static_cast<std::uint16_t>(sign | static_cast<std::uint32_t>(units));
  }
  const std::uint32_t rounded = magnitude + 0xfffu + (magnitude >> 13 & 1u);
  return static_cast<std::uint16_t>(sign | ((rounded >> 13) - (112u << 10)));
}

void read_f32(const WeightView& tensor, std::uint64_t first, std::span<float> out) { read(tensor, first, out); }

std::vector<float> read_f32(const WeightView& tensor) {
  std::vector<float> values(element_count(tensor.shape));
  read_f32(tensor, 0, values);
  return values;
}

std::vector<double> read_f64(const WeightView& tensor) {
  std::vector<double> values(element_count(tensor.shape));
  read(tensor, 0, std::span(values));
  return values;
}

}  // namespace dit
