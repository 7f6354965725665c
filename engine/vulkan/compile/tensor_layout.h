// SPDX-License-Identifier: MIT
// How the fused kernels hold tensors: as they are, as padded f32 rows, or as fragments of 16×16 values; and the way
// there and back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace dit::vulkan {

constexpr std::uint32_t fragments_of(std::uint32_t count) { return (count + 15) / 16; }

/// Columns in groups that each start at a multiple of 16: the heads of q, k and v, or all columns as one group.
struct ColumnGroups {
  std::uint32_t columns = 0;
  std::uint32_t group = 0;  ///< columns of one group; divides `columns`

  std::uint32_t fragments() const { return columns / group * fragments_of(group); }
  /// Where a column lies once the groups are padded.
  std::uint32_t padded(std::uint32_t column) const {
    return column / group * fragments_of(group) * 16 + column % group;
  }
  bool operator==(const ColumnGroups&) const = default;
};

/// Order of the values of a fragment.
enum class FragmentOrder {
  by_row,
  by_invocation,      ///< as the 32 invocations of a subgroup hold left sides, eight each; see
                      ///< shaders/fused/matrix/fragments.glsl
  by_invocation_rhs,  ///< as they hold right sides
};

/// A tensor [rows, tokens, columns], or any other as it is.
struct TensorLayout {
  enum class Kind {
    plain,      ///< f32, no padding
    rows,       ///< f32 [rows·⌈tokens/16⌉·16, columns padded]; by invocation: fragments of f32
    fragments,  ///< [rows·⌈tokens/16⌉, columns padded / 16] fragments, f32 or f16
    pixels,  ///< an image [rows, columns, tokens] as halves [rows, tokens, columns], each 16 as invocations hold them
  };
  Kind kind = Kind::plain;
  bool half = false;  ///< of fragments
  std::uint64_t count = 0;
  std::uint32_t rows = 0, tokens = 0;
  ColumnGroups columns;
  FragmentOrder order = FragmentOrder::by_row;
  std::uint32_t turned_from = UINT32_MAX;  ///< first fragment of columns that lies with rows and columns swapped

  std::uint32_t row_fragments() const { return rows * fragments_of(tokens); }
  std::uint64_t size_bytes() const;
  /// Padding becomes 0. out: size_bytes().
  void encode(std::span<const float> values, std::span<std::byte> out) const;
  void decode(std::span<const std::byte> in, std::span<float> values) const;
  bool operator==(const TensorLayout&) const = default;

 private:
  /// Index of a value among the padded ones.
  std::uint64_t index(std::uint32_t row, std::uint32_t token, std::uint32_t column) const;
  /// index() of one value after the other.
  template <typename Use>
  void each_index(Use&& use) const;
};

/// f32 to IEEE half, round to nearest even; beyond the largest half, the largest half.
std::uint16_t half_from_float(float value) noexcept;

}  // namespace dit::vulkan
