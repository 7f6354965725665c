// SPDX-License-Identifier: MIT
#include "engine/model/convert.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "engine/error.h"
#include "engine/model/quantised.h"

namespace dit {
namespace {

/// Weights whose tensors are partly borrowed from a source and partly owned.
class Builder {
 public:
  explicit Builder(const std::shared_ptr<const Weights>& source)
      : result_(std::make_shared<Weights>(*source)), owner_(std::make_shared<Owner>()) {
    owner_->source = source;
    result_->owner = owner_;
  }

  std::map<std::string, WeightView>& tensors() { return result_->tensors; }

  void replace(WeightView& view, DType dtype, Quantised storage) {
    const Quantised& kept = owner_->storage.emplace_back(std::move(storage));
    view.dtype = dtype;
    view.bytes = kept.bytes;
    view.scales = kept.scales;
  }

  std::shared_ptr<const Weights> finish() { return std::move(result_); }

 private:
  struct Owner {
    std::shared_ptr<const Weights> source;
    std::vector<Quantised> storage;  // moving the elements leaves their bytes in place
  };
  std::shared_ptr<Weights> result_;
  std::shared_ptr<Owner> owner_;
};

/// Single to bf16, round to nearest even; too large becomes infinite, NaN stays NaN.
std::uint16_t float_to_brain(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (std::isnan(value)) return static_cast<std::uint16_t>(bits >> 16 | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

std::vector<std::byte> bytes_of(const std::string& name, std::span<const float> values, DType dtype) {
  std::vector<std::byte> bytes(values.size() * size_of(dtype));
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (dtype == DType::f32) {
      std::memcpy(bytes.data() + 4 * i, &values[i], 4);
      continue;
    }
    const std::uint16_t half = dtype == DType::bf16 ? float_to_brain(values[i]) : float_to_half(values[i]);
    const float back = dtype == DType::bf16 ? std::bit_cast<float>(std::uint32_t{half} << 16) : half_to_float(half);
    expect(std::isfinite(back) || !std::isfinite(values[i]), ErrorKind::wrong_format,
           "tensor '{}': {} at element {} is too large for {}", name, values[i], i, name_of(dtype));
    std::memcpy(bytes.data() + 2 * i, &half, 2);
  }
  return bytes;
}

bool wants_quantising(const WeightView& view, const std::vector<std::string>& keep) {
  const bool kept =
      std::ranges::any_of(keep, [&](const std::string& part) { return view.name.find(part) != std::string::npos; });
  return !kept && view.shape.size() == 2 && view.shape[0] > 1 && view.shape[1] > 0 && view.shape[1] % group_size == 0;
}

}  // namespace

const std::vector<std::string>& kept_by_default() {
  // Not the blocks' attn.context: that is a matrix like the others of a block.
  static const std::vector<std::string> parts = {"embed",        "time_mlp",      "word_proj",       "final",
                                                 "context.word", "context.style", "context.position"};
  return parts;
}

std::shared_ptr<const Weights> convert(const std::shared_ptr<const Weights>& weights, const ConvertOptions& options) {
  if (!options.dtype) return weights;
  const DType dtype = *options.dtype;
  expect(dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16 || is_quantised(dtype), ErrorKind::settings,
         "element type: expected f32, f16, bf16 or a quantised one, found {}", name_of(dtype));
  Builder builder(weights);
  for (auto& [name, view] : builder.tensors()) {
    if (view.dtype == dtype || !is_weight_type(view.dtype)) continue;
    if (!is_quantised(dtype)) {
      builder.replace(view, dtype, {bytes_of(name, read_f32(view), dtype), {}});
    } else if (wants_quantising(view, options.keep)) {
      try {
        builder.replace(view, dtype, quantise(dtype, read_f32(view)));
      } catch (const Error& error) {
        fail(error.kind(), "tensor '{}': {}", name, error.what());
      }
    }
  }
  return builder.finish();
}

std::shared_ptr<const Weights> store_quantised_as(const std::shared_ptr<const Weights>& weights,
                                                  QuantisedStorage storage) {
  if (storage == QuantisedStorage::none) return dequantised(weights);
  Builder builder(weights);
  for (auto& [name, view] : builder.tensors()) {
    if (!is_quantised(view.dtype)) continue;
    const bool four_bits = view.dtype == DType::q4_0 || view.dtype == DType::int4_g32;
    const DType wanted = storage == QuantisedStorage::gguf ? (four_bits ? DType::q4_0 : DType::q8_0)
                                                           : (four_bits ? DType::int4_g32 : DType::int8_g32);
    if (view.dtype != wanted) builder.replace(view, wanted, repack(view, wanted));
  }
  return builder.finish();
}

double relative_rms_error(const WeightView& truth, const WeightView& other) {
  const std::vector<float> a = read_f32(truth), b = read_f32(other);
  expect(a.size() == b.size(), ErrorKind::wrong_format, "tensor '{}': {} and {}", truth.name, to_string(truth.shape),
         to_string(other.shape));
  double error = 0, power = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - b[i];
    error += difference * difference;
    power += static_cast<double>(a[i]) * a[i];
  }
  return power == 0 ? std::sqrt(error) : std::sqrt(error / power);
}

}  // namespace dit
