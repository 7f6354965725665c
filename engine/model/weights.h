// SPDX-License-Identifier: MIT
// Named tensors as a weight file holds them: bytes, which are read when they are looked at.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/files/file_bytes.h"

namespace dit {

/// How elements are stored. The last four keep 32 consecutive elements of a row as small integers q with one f16 scale
/// d, value = d·q; their rows are a multiple of 32 long.
enum class DType : std::uint8_t {
  f32,
  f16,
  bf16,
  f64,
  i8,
  u8,
  i16,
  u16,
  i32,
  u32,
  i64,
  u64,
  boolean,
  q8_0,      ///< GGUF: blocks of 34 bytes: d, then 32 bytes q
  q4_0,      ///< GGUF: blocks of 18 bytes: d, then 16 bytes; byte i holds q+8 of element i below, of element i+16 above
  int8_g32,  ///< q as i8 in `bytes`, d in `scales`
  int4_g32,  ///< q as two's complement, elements 2i (below) and 2i+1 (above) in byte i of `bytes`, d in `scales`
};

/// Elements that share one scale in the quantised types.
inline constexpr std::uint32_t group_size = 32;

/// "f32", "q8_0", "int4-g32", ...
const char* name_of(DType dtype) noexcept;
/// The type with that name. errors: settings
DType dtype_from_name(const std::string& name);
/// Bytes of one element; of the 32 elements that share a scale, with the scale, for quantised types.
std::size_t size_of(DType dtype) noexcept;
/// Whether elements are integers times the scale of their group; see quantised.h.
bool is_quantised(DType dtype) noexcept;
/// Floating point or quantised: what a network may have as a weight.
bool is_weight_type(DType dtype) noexcept;

using Shape = std::vector<std::uint32_t>;

/// "[64,384]"; the empty shape is a scalar, "[]".
std::string to_string(const Shape& shape);
/// Product of the dimensions in 64 bits; 1 for a scalar.
std::uint64_t element_count(const Shape& shape) noexcept;
/// Bytes that `count` elements take, scales included. `count` is a multiple of 32 for quantised types.
std::uint64_t storage_bytes(DType dtype, std::uint64_t count) noexcept;

/// One tensor of a weight file. Borrows `bytes` from the Weights it came from. Row-major, little endian.
struct WeightView {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  Bytes bytes;
  Bytes scales = {};  ///< f16, int8_g32 and int4_g32 only

  /// The same with its bytes in memory, for whoever looks at them many times. errors: unreadable
  WeightView read() const { return {name, dtype, shape, bytes.read(), scales.read()}; }
};

/// A tensor that can be listed and not used: of a type that we do not have, or with values that are not in the file.
struct ForeignTensor {
  std::string type;  ///< in the words of its format: "F8_E4M3", "Q4_K"
  Shape shape;
  std::uint64_t bytes = 0;
  std::string problem;  ///< "its type F8_E4M3 is none of ours"
};

/// More is no network. What it takes to remember a tensor is many times what a small one takes in a file.
inline constexpr std::size_t most_tensors = 1u << 20;

/// Every tensor and metadata entry of one file. A format reader in formats/ makes it; `owner` keeps the file alive.
struct Weights {
  std::map<std::string, WeightView> tensors;
  std::map<std::string, ForeignTensor> foreign;
  std::map<std::string, std::string> metadata;
  /// Of a GGUF file: type and value, as they lie there, of metadata that is not ours. Only its writer looks at them, as
  /// `metadata` has numbers as text and of an array its length.
  std::map<std::string, std::string> gguf_values;
  std::shared_ptr<const void> owner;
  std::uint64_t file_bytes = 0;

  /// `file` stands for it in error texts. errors: wrong_format if a tensor of the name is there, or too many are
  void add(WeightView view, const std::string& file);
  void add(const std::string& name, ForeignTensor tensor, const std::string& file);
  /// errors  wrong_format, with the name of the first tensor that can only be listed
  void expect_all_usable(const std::string& file) const;

 private:
  void expect_new(const std::string& name, const std::string& file) const;
};

/// IEEE half to single, exact, subnormals included.
float half_to_float(std::uint16_t half) noexcept;
/// Single to half, round to nearest even; too large becomes infinite, NaN stays NaN.
std::uint16_t float_to_half(float value) noexcept;

/// The tensor's elements [first, first + out.size()) as f32, whatever its type.
/// errors  throws Error{wrong_format} if the range leaves the tensor
void read_f32(const WeightView& tensor, std::uint64_t first, std::span<float> out);

/// The whole tensor as f32.
std::vector<float> read_f32(const WeightView& tensor);
/// The whole tensor as f64; exact but for integers beyond 2⁵³.
std::vector<double> read_f64(const WeightView& tensor);

}  // namespace dit
