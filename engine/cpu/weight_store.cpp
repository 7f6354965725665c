// SPDX-License-Identifier: MIT
#include "engine/cpu/weight_store.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstring>
#include <set>

#include "engine/cpu/kernels/int8.h"
#include "engine/cpu/kernels/pairs/pairs.h"
#include "engine/error.h"
#include "engine/model/quantised.h"

namespace dit::cpu {
namespace {

std::size_t round_to_panel(std::size_t values) { return (values + panel_columns - 1) / panel_columns * panel_columns; }

template <class Element>
constexpr Element exponent_mask = sizeof(Element) == 2 ? Element{0x7c00} : static_cast<Element>(0x7f800000);

/// One panel of f16 or f32, as bits: rows of the file become columns. `bytes` are all rows of the panel, of that type.
/// False if a number is not finite.
template <class Element>
bool pack_panel(const std::byte* bytes, const PackedMatrix& matrix, std::size_t panel, std::byte* out) {
  // Enough to write whole cache lines, few enough that they stay in the first-level cache.
  constexpr std::size_t tile = 64;
  const std::size_t count = std::min(panel_columns, matrix.rows - panel * panel_columns);
  bool finite = true;
  for (std::size_t start = 0; start < matrix.columns; start += tile) {
    const std::size_t end = std::min(matrix.columns, start + tile);
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t k = start; k < end; ++k) {
        Element bits;
        std::memcpy(&bits, bytes + (i * matrix.columns + k) * sizeof(Element), sizeof(Element));
        finite &= (bits & exponent_mask<Element>) != exponent_mask<Element>;
        std::memcpy(out + (k * panel_columns + i) * sizeof(Element), &bits, sizeof(Element));
      }
    }
  }
  return finite;
}

/// The same for any quantised type.
bool pack_quantised(const WeightView& view, const PackedMatrix& matrix, std::size_t panel, std::byte* out) {
  const std::size_t first = panel * panel_columns;
  const std::size_t count = std::min(panel_columns, matrix.rows - first);
  const std::size_t groups = matrix.columns / group_size;
  std::array<std::int8_t, group_size> integers;
  bool finite = true;
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t group = 0; group < groups; ++group) {
      std::byte* at = out + group * packed_group_bytes;
      float scale = 0;
      read_groups(view, (first + i) * groups + group, integers, {&scale, 1});
      finite &= std::isfinite(scale);
      std::memcpy(at + i * sizeof(float), &scale, sizeof(float));
      at += panel_columns * sizeof(float) + i;
      for (std::size_t k = 0; k < group_size; ++k) at[k * panel_columns] = static_cast<std::byte>(integers[k]);
    }
  }
  return finite;
}

/// Such a weight makes every icon black; and no target's conversion of halves needs to know infinity.
void check_finite(const std::string& name, bool finite) {
  expect(finite, ErrorKind::wrong_format, "weights '{}': expected finite numbers, found infinity or NaN", name);
}

/// One panel for a product of integers: those of the file, or the nearest to its numbers.
bool pack_int8(const WeightView& view, const PackedMatrix& matrix, std::size_t panel, std::byte* out) {
  const std::size_t first = panel * panel_columns * matrix.columns;
  const std::size_t count = std::min(panel_columns, matrix.rows - panel * panel_columns);
  std::vector<std::int8_t> integers(count * matrix.columns);
  std::vector<float> scales(integers.size() / group_size);
  if (is_quantised(view.dtype)) {
    read_groups(view, first / group_size, integers, scales);
  } else {
    std::vector<float> values(integers.size());
    read_f32(view, first, values);
    for (std::size_t g = 0; g < scales.size(); ++g) {
      const std::span<const float> group(values.data() + g * group_size, group_size);
      float largest = 0;
      for (const float value : group) largest = std::isfinite(value) ? std::max(largest, std::fabs(value)) : INFINITY;
      scales[g] = largest / 127.f;
      const float inverse = largest > 0 && std::isfinite(largest) ? 127.f / largest : 0.f;
      for (std::size_t k = 0; k < group_size; ++k)
        integers[g * group_size + k] =
            inverse > 0 ? static_cast<std::int8_t>(std::nearbyint(group[k] * inverse)) : std::int8_t{0};
    }
  }
  pack_int8_panel(integers, scales, count, matrix.columns, out);
  return std::ranges::all_of(scales, [](float scale) { return std::isfinite(scale); });
}

bool is_taps(const WeightRequest& request) { return !request.matrix && request.product == DType::bf16; }

}  // namespace

/// How panels keep a type of the file.
DType WeightStore::panel_type(const WeightRequest& request, DType dtype) const {
  if (request.product != DType::f32) return request.product;
  if (is_quantised(dtype) && !expand_) return DType::int8_g32;
  return dtype == DType::f16 ? DType::f16 : DType::f32;
}

/// Bytes of a packed tensor, whole cache lines.
std::size_t WeightStore::packed_bytes(const WeightRequest& request, DType dtype) const {
  if (is_taps(request)) return (request.shape[0] * tap_depth(request.shape[1]) * 2 + 63) / 64 * 64;
  if (!request.matrix) return round_to_panel(element_count(request.shape)) * sizeof(float);
  const PackedMatrix matrix{request.shape.at(0), request.shape.at(1), panel_type(request, dtype), nullptr};
  return (matrix.panels() * matrix.panel_bytes() + 63) / 64 * 64;
}

const WeightView& WeightStore::find(const WeightRequest& request) const {
  const auto found = weights_->tensors.find(request.name);
  expect(found != weights_->tensors.end(), ErrorKind::wrong_format, "weights: expected tensor '{}' {}, found none",
         request.name, to_string(request.shape));
  const WeightView& view = found->second;
  expect(view.shape == request.shape, ErrorKind::wrong_format, "weights '{}': expected {}, found {}", request.name,
         to_string(request.shape), to_string(view.shape));
  return view;
}

void WeightStore::add(const std::vector<WeightRequest>& requests, ThreadPool& pool) {
  std::vector<Job> jobs;
  std::set<std::pair<std::string, bool>> queued;
  std::size_t bytes = 0;
  for (const WeightRequest& request : requests) {
    if (request.matrix ? matrices_.contains(request.name) : vectors_.contains(request.name)) continue;
    if (!queued.emplace(request.name, request.matrix).second) continue;
    const WeightView& view = find(request);
    jobs.push_back({&view, &request, bytes});
    bytes += packed_bytes(request, view.dtype);
  }
  if (jobs.empty()) return;
  Block block(bytes, "CPU weights");
  for (const Job& job : jobs) {
    pack(job, block.bytes() + job.offset, pool);
    // The copy is what is read from now on; without this the file would stay in memory next to it.
    job.view->bytes.release();
    job.view->scales.release();
  }
  blocks_.push_back(std::move(block));
}

void WeightStore::pack(const Job& job, std::byte* out, ThreadPool& pool) {
  const Shape& shape = job.request->shape;
  if (is_taps(*job.request)) {
    const std::vector<float> values = read_f32(*job.view);
    check_finite(job.request->name, pack_taps(values, shape[0], shape[1], reinterpret_cast<std::uint16_t*>(out)));
    vectors_.emplace(job.request->name, reinterpret_cast<const float*>(out));
    return;
  }
  if (!job.request->matrix) {
    auto* values = reinterpret_cast<float*>(out);
    const std::span<float> all(values, element_count(shape));
    read_f32(*job.view, 0, all);
    check_finite(job.request->name, std::ranges::all_of(all, [](float value) { return std::isfinite(value); }));
    vectors_.emplace(job.request->name, values);
    return;
  }
  const WeightView view = job.view->read();
  const PackedMatrix matrix{shape[0], shape[1], panel_type(*job.request, view.dtype), out};
  std::atomic<bool> finite{true};
  pool.parallel_for(matrix.panels(), [&](unsigned, std::size_t first, std::size_t last) {
    // Types that no panel keeps become f32 on the way.
    std::vector<float> rows;
    for (std::size_t panel = first; panel < last; ++panel) {
      std::byte* values = out + panel * matrix.panel_bytes();
      const std::size_t start = panel * panel_columns * matrix.columns;
      bool good = true;
      const std::size_t count = std::min(panel_columns, matrix.rows - panel * panel_columns);
      if (matrix.dtype == DType::i8) {
        good = pack_int8(view, matrix, panel, values);
      } else if (matrix.dtype == DType::bf16 || matrix.dtype == DType::i16) {
        rows.resize(count * matrix.columns);
        read_f32(view, start, rows);
        good = pack_pairs(matrix.dtype, rows, count, matrix.columns, values);
      } else if (matrix.dtype == DType::int8_g32) {
        good = pack_quantised(view, matrix, panel, values);
      } else if (matrix.dtype == DType::f16) {
        good = pack_panel<std::uint16_t>(view.bytes.data() + start * 2, matrix, panel, values);
      } else if (view.dtype == DType::f32) {
        good = pack_panel<std::uint32_t>(view.bytes.data() + start * 4, matrix, panel, values);
      } else {
        rows.resize(count * matrix.columns);
        read_f32(view, start, rows);
        good = pack_panel<std::uint32_t>(reinterpret_cast<const std::byte*>(rows.data()), matrix, panel, values);
      }
      if (!good) finite.store(false, std::memory_order_relaxed);
    }
  });
  check_finite(job.request->name, finite);
  matrices_.emplace(job.request->name, matrix);
}

}  // namespace dit::cpu
