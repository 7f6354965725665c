// SPDX-License-Identifier: MIT
// What each op becomes: which loops, over what, split into which units.
#include <algorithm>
#include <array>
#include <cstring>

#include "engine/cpu/kernels/int8.h"
#include "engine/cpu/kernels/pairs/pairs.h"
#include "engine/cpu/plan.h"
#include "engine/network/noise.h"

namespace dit::cpu {
namespace {

Finish finish_of(Activation activation) {
  switch (activation) {
    case Activation::silu:
      return Finish::silu;
    case Activation::gelu_erf:
      return Finish::gelu_erf;
    case Activation::gelu_tanh:
      return Finish::gelu_tanh;
    case Activation::none:
      break;
  }
  return Finish::store;
}

SketchMix sketch_mix(const Sketch& sketch, std::size_t pixels, bool premultiplied, float alpha, float sigma) {
  return {.alpha = alpha,
          .sigma = sigma,
          .pixels = static_cast<std::uint32_t>(pixels),
          .premultiplied = premultiplied,
          .rgba = sketch.rgba.empty() ? nullptr : sketch.rgba.data(),
          .mask = sketch.mask.empty() ? nullptr : sketch.mask.data()};
}

}  // namespace

void CpuPlan::execute(const Op& op, std::uint32_t step, const Part& part) {
  std::visit(
      [&](const auto& what) {
        if constexpr (is_by_rows<std::decay_t<decltype(what)>>) {
          execute(what, step, part);
        } else {
          execute(what, step);
        }
      },
      op.what);
}

void CpuPlan::execute(const Stretch& stretch, std::uint32_t step) {
  const std::size_t rows = program_.shape.rows(), some = rows_at_a_time();
  pool_.parallel_for((rows + some - 1) / some, [&](unsigned thread, std::size_t first, std::size_t last) {
    for (std::size_t row = first * some; row < std::min(rows, last * some); row += some)
      for (std::size_t i = stretch.first; i < stretch.last; ++i)
        execute(program_.step[i], step, {row, std::min(some, rows - row), thread});
  });
}

RowTable CpuPlan::table(const op::Modulation& modulation, std::uint32_t column, std::size_t tokens, std::uint32_t step,
                        std::size_t first) const {
  return {places_[modulation.table].values + column, shape(modulation.table)[1],
          modulation_row_.data() + std::size_t{step} * program_.shape.rows() + first, tokens};
}

void CpuPlan::multiply(Product product, const Part& part) {
  narrow(product, part);
  if (part.thread) {
    cpu::product(product, 0, product.units(), scratch_ + *part.thread * scratch_floats_);
    return;
  }
  // Threads share a panel in halves at most: each of them would widen it again.
  const std::size_t blocks = product.blocks(), some = std::min<std::size_t>(4, blocks);
  const std::size_t parts = (blocks + some - 1) / some;
  const auto unit = [&](std::size_t i) { return i / parts * blocks + std::min(blocks, i % parts * some); };
  pool_.parallel_for(product.weight->panels() * parts, [&](unsigned thread, std::size_t first, std::size_t last) {
    cpu::product(product, unit(first), unit(last), scratch_ + thread * scratch_floats_);
  });
}

void CpuPlan::narrow(Product& product, const Part& part) {
  const DType dtype = product.weight->dtype;
  if (dtype != DType::i8 && dtype != DType::i16 && dtype != DType::bf16) return;
  const std::size_t columns = product.weight->columns, depth = pair_depth(columns);
  auto* bytes = reinterpret_cast<std::uint8_t*>(at(narrow_, part));
  auto* pairs = reinterpret_cast<std::uint16_t*>(bytes);
  float* scales = at(scales_, part);
  for_all(part, product.rows, [&](unsigned, std::size_t first, std::size_t last) {
    const float* x = product.a + first * columns;
    if (dtype == DType::i8) {
      quantise_rows(x, last - first, columns, bytes + first * columns, scales + first * (columns / group_size));
    } else if (dtype == DType::i16) {
      int16_rows(x, last - first, columns, pairs + first * depth, scales + first * (depth / pair_group));
    } else {
      bf16_rows(x, last - first, columns, pairs + first * depth);
    }
  });
  product.a_narrow = reinterpret_cast<const std::byte*>(bytes);
  product.a_scales = scales;
}

const float* CpuPlan::normalise(TensorId x, const op::Modulation& modulation, const Norm& kind, std::uint32_t step,
                                const Part& part) {
  const Shape& s = shape(x);
  const NormModulate norm{values_of(x, part),
                          s[2],
                          kind,
                          table(modulation, modulation.shift, s[1], step, part.first),
                          table(modulation, modulation.scale, s[1], step, part.first),
                          at(lhs_, part)};
  for_all(part, part.rows * s[1],
          [&](unsigned, std::size_t first, std::size_t last) { norm_modulate(norm, first, last); });
  return norm.y;
}

void CpuPlan::execute(const op::Noise& o, std::uint32_t step) {
  const std::size_t elements = element_count(shape(o.x)) / program_.shape.batch;
  // Four normals come from one counter, so pieces are whole counters.
  const std::size_t counters = (elements + 3) / 4;
  for (std::uint32_t icon = 0; icon < program_.shape.batch; ++icon) {
    if (solver_row_[std::size_t{step} * program_.shape.batch + icon] != 0) continue;
    float* x = places_[o.x].values + icon * elements;
    pool_.parallel_for(counters, [&](unsigned, std::size_t first, std::size_t last) {
      const std::size_t end = std::min(4 * last, elements);
      fill_normals(painted_[icon], 0, static_cast<std::uint32_t>(4 * first), {x + 4 * first, end - 4 * first});
    });
  }
}

void CpuPlan::execute(const op::Linear& o, std::uint32_t) {
  multiply(product_of(o, places_[o.x].values, shape(o.x)[0], places_[o.y].values), {});
}

HeadNorm CpuPlan::norm_of(const op::HeadNorm& o) const {
  return {places_[o.x].values, optional(o.weight), o.norm_eps, shape(o.x)[1], o.heads, shape(o.weight)[0]};
}

void CpuPlan::execute(const op::HeadNorm& o, std::uint32_t) {
  const HeadNorm norm = norm_of(o);
  pool_.parallel_for(shape(o.x)[0], [&](unsigned thread, std::size_t first, std::size_t last) {
    head_norm(norm, first, last, scratch_ + thread * scratch_floats_);
  });
}

void CpuPlan::execute(const op::Embed& o, std::uint32_t) {
  const Shape& image = shape(o.x);
  const Shape& out = shape(o.y);
  const std::size_t tokens = std::size_t{program_.shape.batch} * out[1];
  const Patches gather{places_[o.x].values, image[1], image[2], image[3], o.patch, o.window, lhs_.all};
  pool_.parallel_for(tokens, [&](unsigned, std::size_t first, std::size_t last) { patches(gather, first, last); });
  Product product = product_of(o, lhs_.all, tokens, places_[o.y].values);
  product.finish = Finish::add_position;
  product.position = places_[o.position].vector;
  product.tokens = out[1];
  multiply(product, {});
  // Row B + r reads the same icon as row r.
  if (program_.shape.guided) std::memcpy(product.y + tokens * out[2], product.y, tokens * out[2] * sizeof(float));
}

void CpuPlan::execute(const op::ModulatedLinear& o, std::uint32_t step, const Part& part) {
  const float* lhs = normalise(o.x, o.modulation, o.norm, step, part);
  Product product = product_of(o, lhs, part.rows * shape(o.x)[1], values_of(o.y, part));
  product.finish = finish_of(o.activation);
  multiply(product, part);
}

Attention CpuPlan::attention_of(const op::Attention& o, std::uint32_t step, const Part& part) const {
  const Shape& s = shape(o.y);
  Attention attention{
      values_of(o.qkv, part), optional(o.q_norm),  optional(o.k_norm), o.norm_eps, part.rows, s[1], o.heads,
      s[2] / o.heads,         values_of(o.y, part)};
  if (o.context == no_tensor) return attention;
  attention.context = places_[o.context].values;
  attention.conditions = program_.shape.conditions;
  attention.context_rows = shape(o.context)[0] / attention.conditions;
  attention.condition = modulation_row_.data() + std::size_t{step} * program_.shape.rows() + part.first;
  return attention;
}

void CpuPlan::execute(const op::Attention& o, std::uint32_t step, const Part& part) {
  const Attention head = attention_of(o, step, part);
  // Threads share a head only where there are few: each of them packs its keys and values again.
  const std::size_t heads = head.rows * o.heads, blocks = head.blocks();
  const std::size_t parts = part.thread ? 1 : std::min<std::size_t>(blocks, (2 * pool_.size() + heads - 1) / heads);
  const auto unit = [&](std::size_t i) { return i / parts * blocks + i % parts * blocks / parts; };
  for_all(part, heads * parts, [&](unsigned thread, std::size_t first, std::size_t last) {
    attention(head, unit(first), unit(last), scratch_ + thread * scratch_floats_);
  });
}

void CpuPlan::execute(const op::GatedLinearAdd& o, std::uint32_t step, const Part& part) {
  const std::size_t tokens = shape(o.x)[1];
  Product product = product_of(o, values_of(o.x, part), part.rows * tokens, values_of(o.residual, part));
  const bool gated = o.modulation.gate != op::no_column;
  product.finish = gated ? Finish::gate_add : Finish::add;
  if (gated) product.gate = table(o.modulation, o.modulation.gate, tokens, step, part.first);
  multiply(product, part);
}

void CpuPlan::execute(const op::Final& o, std::uint32_t step, const Part& part) {
  const float* lhs = normalise(o.x, o.modulation, o.norm, step, part);
  const Shape& image = shape(o.y);
  const std::size_t tokens = part.rows * shape(o.x)[1];
  float* features = at(features_, part);
  multiply(product_of(o, lhs, tokens, features), part);
  const Unpatches scatter{features, image[1], image[2], image[3], o.patch, o.window, values_of(o.y, part)};
  for_all(part, tokens, [&](unsigned, std::size_t first, std::size_t last) { unpatches(scatter, first, last); });
}

Conv CpuPlan::conv_of(const op::Conv& o, const Part& part) const {
  const Shape &x = shape(o.x), &y = shape(o.y);
  Conv conv;
  conv.x = values_of(o.x, part);
  if (product_ == DType::bf16) {
    conv.taps = reinterpret_cast<const std::uint16_t*>(places_[o.weight].vector);
  } else {
    conv.weight = places_[o.weight].vector;
  }
  conv.bias = optional(o.bias);
  conv.rows = part.rows;
  conv.first_row = part.first;
  conv.batch = program_.shape.batch;
  conv.in = x[1];
  conv.out = y[1];
  conv.height = y[2];
  conv.width = y[3];
  conv.activation = o.activation;
  conv.residual = o.residual;
  conv.y = values_of(o.y, part);
  if (o.picture != no_tensor) {
    conv.picture = places_[o.picture].values;
    conv.picture_channels = shape(o.picture)[1];
  }
  conv.choose_band(part.thread ? 1 : pool_.size());
  return conv;
}

void CpuPlan::execute(const op::Conv& o, std::uint32_t, const Part& part) {
  const Conv conv = conv_of(o, part);
  for_all(part, conv.units(), [&](unsigned thread, std::size_t first, std::size_t last) {
    cpu::conv(conv, first, last, scratch_ + thread * scratch_floats_);
  });
}

void CpuPlan::execute(const op::Combine& o, std::uint32_t step) {
  const std::size_t all = element_count(shape(o.x));
  const std::size_t elements = all / program_.shape.batch;
  const std::size_t counters = (elements + 3) / 4;
  for (std::uint32_t icon = 0; icon < program_.shape.batch; ++icon) {
    const std::size_t at = icon * elements;
    const std::uint32_t row = solver_row_[std::size_t{step} * program_.shape.batch + icon];
    Combine update;
    update.conditional = places_[o.prediction].values + at;
    update.unconditional = program_.shape.guided ? update.conditional + all : nullptr;
    update.x = places_[o.x].values + at;
    for (std::uint32_t i = 0; i < 4; ++i) update.history[i] = places_[o.history].values + (step - i) % 4 * all + at;
    update.row = solver_[row];
    update.draw = row + 1 - update.row.first;
    update.icon = painted_[icon];
    pool_.parallel_for(counters, [&](unsigned, std::size_t first, std::size_t last) {
      combine(update, 4 * first, std::min(4 * last, elements));
    });
  }
}

template <typename Use>
void CpuPlan::mix_with_sketch(std::uint32_t icon, TensorId x, const SketchMix& mix, const Use& use) {
  const std::size_t elements = element_count(shape(x)) / program_.shape.batch;
  float* values = places_[x].values + icon * elements;
  pool_.parallel_for((elements + 3) / 4, [&](unsigned, std::size_t first, std::size_t last) {
    std::array<float, 256> noise{};  // not drawn where it does not count
    const std::size_t end = std::min(4 * last, elements);
    for (std::size_t start = 4 * first; start < end; start += noise.size()) {
      const std::size_t count = std::min(noise.size(), end - start);
      const auto at = static_cast<std::uint32_t>(start);
      if (mix.sigma != 0.f) fill_normals(painted_[icon], 0, at, {noise.data(), count});
      for (std::uint32_t i = 0; i < count; ++i) use(values[start + i], at + i, noise[i]);
    }
  });
}

void CpuPlan::execute(const op::Begin& o, std::uint32_t step) {
  for (std::uint32_t icon = 0; icon < program_.shape.batch; ++icon) {
    const std::uint32_t row = solver_row_[std::size_t{step} * program_.shape.batch + icon];
    const SolverRow& w = solver_[row];
    if (row != w.first) continue;
    const SketchMix mix =
        sketch_mix(painted_[icon].sketch, pixels_of(program_), o.premultiplied, w.before_alpha, w.before_sigma);
    mix_with_sketch(icon, o.x, mix, [&mix](float& x, std::uint32_t element, float z) { x = mix.at(element, z); });
  }
}

void CpuPlan::execute(const op::Hold& o, std::uint32_t step) {
  for (std::uint32_t icon = 0; icon < program_.shape.batch; ++icon) {
    if (painted_[icon].sketch.mask.empty()) continue;
    const SolverRow& w = solver_[solver_row_[std::size_t{step} * program_.shape.batch + icon]];
    const SketchMix mix =
        sketch_mix(painted_[icon].sketch, pixels_of(program_), o.premultiplied, w.after_alpha, w.after_sigma);
    mix_with_sketch(icon, o.x, mix,
                    [&mix](float& x, std::uint32_t element, float z) { x = mix.masked_at(element, x, z); });
  }
}

void CpuPlan::execute(const op::ToRgba& o, std::uint32_t) {
  const Shape& image = shape(o.x);
  const std::size_t pixels = std::size_t{image[2]} * image[3];
  for (std::uint32_t icon = 0; icon < program_.shape.batch; ++icon) {
    const ToRgba convert{places_[o.x].values + icon * image[1] * pixels, image[1], pixels, o.premultiplied, o.rounding,
                         places_[o.rgba].bytes + icon * pixels * 4};
    pool_.parallel_for(pixels, [&](unsigned, std::size_t first, std::size_t last) { to_rgba(convert, first, last); });
  }
}

}  // namespace dit::cpu
