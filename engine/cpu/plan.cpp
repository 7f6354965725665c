// SPDX-License-Identifier: MIT
#include "engine/cpu/plan.h"

#include <algorithm>
#include <cstring>

#include "engine/cpu/int8.h"
#include "engine/error.h"
#include "engine/noise.h"

namespace dit::cpu {
namespace {

/// The tensors of an op, by what the plan must do for them.
struct Operands {
  TensorId matrix = no_tensor;
  std::vector<TensorId> vectors;      // weights; entries may be no_tensor
  std::vector<TensorId> activations;  // read or written
  TensorId rgba = no_tensor;
};

struct OperandsOf {
  Operands operator()(const op::Noise& o) const { return {no_tensor, {}, {o.x}, no_tensor}; }
  Operands operator()(const op::Linear& o) const { return {o.weight, {o.bias}, {o.x, o.y}, no_tensor}; }
  Operands operator()(const op::Embed& o) const { return {o.weight, {o.bias, o.position}, {o.x, o.y}, no_tensor}; }
  Operands operator()(const op::ModulatedLinear& o) const {
    return {o.weight, {o.bias}, {o.x, o.modulation.table, o.y}, no_tensor};
  }
  Operands operator()(const op::Attention& o) const {
    return {no_tensor, {o.q_norm, o.k_norm}, {o.qkv, o.y}, no_tensor};
  }
  Operands operator()(const op::GatedLinearAdd& o) const {
    return {o.weight, {o.bias}, {o.x, o.modulation.table, o.residual}, no_tensor};
  }
  Operands operator()(const op::Final& o) const {
    return {o.weight, {o.bias}, {o.x, o.modulation.table, o.y}, no_tensor};
  }
  Operands operator()(const op::Combine& o) const { return {no_tensor, {}, {o.prediction, o.x, o.history}, no_tensor}; }
  Operands operator()(const op::ToRgba& o) const { return {no_tensor, {}, {o.x}, o.rgba}; }
};

template <class Visit>
void for_each_op(const Program& program, const Visit& visit) {
  for (const Op& op : program.prepare) visit(op);
  for (const Op& op : program.step) visit(op);
}

void check_kind(const Program& program, const Op& op, TensorId id, TensorKind expected) {
  static constexpr const char* names[] = {"weight", "activation", "rgba"};
  expect(id < program.tensors.size(), ErrorKind::wrong_format, "op '{}': expected {} tensors, found number {}",
         op.label, program.tensors.size(), id);
  const TensorInfo& info = program.tensors[id];
  expect(info.kind == expected, ErrorKind::wrong_format, "op '{}': tensor '{}': expected kind {}, found {}", op.label,
         info.name, names[static_cast<int>(expected)], names[static_cast<int>(info.kind)]);
}

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

}  // namespace

/// Floats of the working memory that ops share, each the largest that any op needs.
struct CpuPlan::Sizes {
  const CpuPlan& plan;
  std::size_t left = 0, features = 0, integers = 0, scratch = Product::scratch();

  std::size_t elements(TensorId id) const { return element_count(plan.shape(id)); }
  /// `width` floats for each token of each image.
  std::size_t per_token(TensorId image, std::uint32_t patch, std::size_t width) const {
    const Shape& s = plan.shape(image);
    return std::size_t{s[0]} * (s[2] / patch) * (s[3] / patch) * width;
  }
  void operator()(const op::Embed& o) { left = std::max(left, per_token(o.x, o.patch, plan.shape(o.weight)[1])); }
  void operator()(const op::ModulatedLinear& o) {
    left = std::max(left, elements(o.x));
    integers = std::max(integers, elements(o.x));
  }
  void operator()(const op::GatedLinearAdd& o) { integers = std::max(integers, elements(o.x)); }
  void operator()(const op::Final& o) {
    left = std::max(left, elements(o.x));
    features = std::max(features, per_token(o.y, o.patch, plan.shape(o.weight)[0]));
  }
  void operator()(const op::Attention& o) {
    Attention attention;
    attention.tokens = plan.shape(o.y)[1];
    attention.head_dim = plan.shape(o.y)[2] / o.heads;
    scratch = std::max(scratch, attention.scratch());
  }
  template <class Other>
  void operator()(const Other&) {}
};

CpuPlan::CpuPlan(Program program, WeightStore& weights, ThreadPool& pool, bool int8)
    : program_(std::move(program)), pool_(pool), int8_(int8), places_(program_.tensors.size()) {
  for_each_op(program_, [this](const Op& op) {
    const Operands operands = std::visit(OperandsOf{}, op.what);
    if (operands.matrix != no_tensor) check_kind(program_, op, operands.matrix, TensorKind::weight);
    for (const TensorId id : operands.vectors)
      if (id != no_tensor) check_kind(program_, op, id, TensorKind::weight);
    for (const TensorId id : operands.activations) check_kind(program_, op, id, TensorKind::activation);
    if (operands.rgba != no_tensor) check_kind(program_, op, operands.rgba, TensorKind::rgba);
  });
  place_weights(weights);
  place_activations();
  const PlanShape& s = program_.shape;
  icons_.resize(s.batch);
  modulation_row_.resize(std::size_t{s.steps} * s.rows());
  solver_.resize(s.steps);
  solver_row_.resize(std::size_t{s.steps} * s.batch);
}

void CpuPlan::place_weights(WeightStore& weights) {
  std::vector<WeightRequest> requests;
  for_each_op(program_, [&](const Op& op) {
    const Operands operands = std::visit(OperandsOf{}, op.what);
    const bool in_block =
        std::holds_alternative<op::ModulatedLinear>(op.what) || std::holds_alternative<op::GatedLinearAdd>(op.what);
    const auto want = [&](TensorId id, bool matrix) {
      if (id == no_tensor) return;
      const bool int8 = int8_ && matrix && in_block && shape(id)[1] % group_size == 0;
      requests.push_back({program_.tensors[id].name, shape(id), matrix, int8});
    };
    want(operands.matrix, true);
    for (const TensorId id : operands.vectors) want(id, false);
  });
  weights.add(requests, pool_);
  for_each_op(program_, [&](const Op& op) {
    const Operands operands = std::visit(OperandsOf{}, op.what);
    if (operands.matrix != no_tensor)
      places_[operands.matrix].matrix = &weights.matrix(program_.tensors[operands.matrix].name);
    for (const TensorId id : operands.vectors)
      if (id != no_tensor) places_[id].vector = weights.vector(program_.tensors[id].name);
  });
}

void CpuPlan::place_activations() {
  Sizes sizes{*this};
  for_each_op(program_, [&sizes](const Op& op) { std::visit(sizes, op.what); });
  scratch_floats_ = round_to_line(sizes.scratch);

  std::vector<std::size_t> offsets;
  std::size_t floats = 0;
  for (const TensorInfo& info : program_.tensors) {
    offsets.push_back(floats);
    const std::size_t elements = element_count(info.shape);
    if (info.kind == TensorKind::activation) floats += round_to_line(elements);
    if (info.kind == TensorKind::rgba) floats += round_to_line((elements + 3) / 4);
  }
  const std::size_t left = floats;
  const std::size_t features = left + round_to_line(sizes.left);
  const std::size_t integers = features + round_to_line(sizes.features);
  const std::size_t scales = integers + (int8_ ? round_to_line(sizes.integers / sizeof(float) + 1) : 0);
  const std::size_t scratch = scales + (int8_ ? round_to_line(sizes.integers / group_size + 1) : 0);
  arena_ = Block((scratch + scratch_floats_ * pool_.size()) * sizeof(float), "CPU activations");

  for (std::size_t id = 0; id < program_.tensors.size(); ++id) {
    float* at = arena_.f32() + offsets[id];
    if (program_.tensors[id].kind == TensorKind::activation) places_[id].values = at;
    if (program_.tensors[id].kind == TensorKind::rgba) places_[id].bytes = reinterpret_cast<std::uint8_t*>(at);
  }
  left_ = arena_.f32() + left;
  features_ = arena_.f32() + features;
  integers_ = reinterpret_cast<std::uint8_t*>(arena_.f32() + integers);
  scales_ = arena_.f32() + scales;
  scratch_ = arena_.f32() + scratch;
}

void CpuPlan::set_request(const Request& request) {
  length_ = check_request(program_, request);
  std::ranges::copy(request.icons, icons_.begin());
  std::ranges::copy(request.modulation_row, modulation_row_.begin());
  std::ranges::copy(request.solver, solver_.begin());
  std::ranges::copy(request.solver_row, solver_row_.begin());
  if (program_.condition != no_tensor) std::ranges::copy(request.condition, places_[program_.condition].values);
}

void CpuPlan::execute_all(const std::vector<Op>& ops, std::uint32_t step, const std::atomic<bool>& cancel) {
  for (const Op& op : ops) {
    if (cancel.load(std::memory_order_relaxed)) throw Cancelled();
    execute(op, step);
  }
}

void CpuPlan::prepare(const std::atomic<bool>& cancel) { execute_all(program_.prepare, 0, cancel); }

void CpuPlan::run(std::uint32_t first, std::uint32_t last, const std::atomic<bool>& cancel) {
  expect(first <= last && last <= length_, ErrorKind::settings, "run: expected steps within 0…{}, found {}…{}", length_,
         first, last);
  for (std::uint32_t step = first; step < last; ++step) {
    for (const Op& op : program_.step) {
      // Nobody can see the bytes of the steps before the last one.
      if (step + 1 < last && std::holds_alternative<op::ToRgba>(op.what)) continue;
      if (cancel.load(std::memory_order_relaxed)) throw Cancelled();
      execute(op, step);
    }
  }
}

void CpuPlan::read_rgba(std::uint32_t icon, std::span<std::uint8_t> out) {
  expect(program_.rgba != no_tensor, ErrorKind::unsupported, "read_rgba: expected a program with an image, found none");
  const std::size_t size = element_count(shape(program_.rgba)) / program_.shape.batch;
  expect(icon < program_.shape.batch, ErrorKind::settings, "read_rgba: expected an icon below {}, found {}",
         program_.shape.batch, icon);
  expect(out.size() == size, ErrorKind::settings, "read_rgba: expected {} bytes, found {}", size, out.size());
  std::memcpy(out.data(), places_[program_.rgba].bytes + icon * size, size);
}

const TensorInfo& CpuPlan::checked(TensorId id) const {
  expect(id < program_.tensors.size(), ErrorKind::settings, "tensor: expected a number below {}, found {}",
         program_.tensors.size(), id);
  return program_.tensors[id];
}

std::vector<float> CpuPlan::read(TensorId id) {
  const TensorInfo& info = checked(id);
  const std::size_t elements = element_count(info.shape);
  if (info.kind == TensorKind::rgba) return {places_[id].bytes, places_[id].bytes + elements};
  expect(info.kind == TensorKind::activation, ErrorKind::settings,
         "read: tensor '{}': expected an activation, found a weight", info.name);
  return {places_[id].values, places_[id].values + elements};
}

void CpuPlan::write(TensorId id, std::span<const float> values) {
  const TensorInfo& info = checked(id);
  expect(info.kind == TensorKind::activation, ErrorKind::settings,
         "write: tensor '{}': expected an activation, found another kind", info.name);
  const std::size_t elements = element_count(info.shape);
  expect(values.size() == elements, ErrorKind::settings, "write: tensor '{}': expected {} values, found {}", info.name,
         elements, values.size());
  std::ranges::copy(values, places_[id].values);
}

void CpuPlan::capture(bool prepare, std::uint32_t step, const Checkpoint& checkpoint) {
  expect(step < program_.shape.steps, ErrorKind::settings, "capture: expected a step below {}, found {}",
         program_.shape.steps, step);
  for (const Op& op : prepare ? program_.prepare : program_.step) {
    execute(op, step);
    const TensorId output = output_of(op.what);
    const std::vector<float> values = read(output);
    checkpoint(op, shape(output), values);
  }
}

void CpuPlan::execute(const Op& op, std::uint32_t step) {
  std::visit([this, step](const auto& what) { execute(what, step); }, op.what);
}

RowTable CpuPlan::table(const op::Modulation& modulation, std::uint32_t column, std::size_t tokens,
                        std::uint32_t step) const {
  return {places_[modulation.table].values + column, shape(modulation.table)[1],
          modulation_row_.data() + std::size_t{step} * program_.shape.rows(), tokens};
}

void CpuPlan::multiply(const Product& product) {
  // Threads share a panel in halves at most: each of them would widen it again.
  const std::size_t blocks = product.blocks(), some = std::min<std::size_t>(4, blocks);
  const std::size_t parts = (blocks + some - 1) / some;
  const auto unit = [&](std::size_t i) { return i / parts * blocks + std::min(blocks, i % parts * some); };
  pool_.parallel_for(product.weight->panels() * parts, [&](unsigned thread, std::size_t first, std::size_t last) {
    cpu::product(product, unit(first), unit(last), scratch_ + thread * scratch_floats_);
  });
}

void CpuPlan::multiply_in_block(Product product) {
  if (product.weight->dtype == DType::i8) {
    const std::size_t columns = product.weight->columns;
    pool_.parallel_for(product.rows, [&](unsigned, std::size_t first, std::size_t last) {
      quantise_rows(product.a + first * columns, last - first, columns, integers_ + first * columns,
                    scales_ + first * (columns / group_size));
    });
    product.a_integers = integers_;
    product.a_scales = scales_;
  }
  multiply(product);
}

void CpuPlan::normalise(TensorId x, const op::Modulation& modulation, const Norm& kind, std::uint32_t step) {
  const Shape& s = shape(x);
  const NormModulate norm{places_[x].values,
                          s[2],
                          kind,
                          table(modulation, modulation.shift, s[1], step),
                          table(modulation, modulation.scale, s[1], step),
                          left_};
  pool_.parallel_for(std::size_t{s[0]} * s[1],
                     [&](unsigned, std::size_t first, std::size_t last) { norm_modulate(norm, first, last); });
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
      fill_normals(icons_[icon], 0, static_cast<std::uint32_t>(4 * first), {x + 4 * first, end - 4 * first});
    });
  }
}

void CpuPlan::execute(const op::Linear& o, std::uint32_t) {
  multiply(product_of(o, places_[o.x].values, shape(o.x)[0], places_[o.y].values));
}

void CpuPlan::execute(const op::Embed& o, std::uint32_t) {
  const Shape& image = shape(o.x);
  const Shape& out = shape(o.y);
  const std::size_t tokens = std::size_t{program_.shape.batch} * out[1];
  const Patches gather{places_[o.x].values, image[1], image[2], image[3], o.patch, o.window, left_};
  pool_.parallel_for(tokens, [&](unsigned, std::size_t first, std::size_t last) { patches(gather, first, last); });
  Product product = product_of(o, left_, tokens, places_[o.y].values);
  product.finish = Finish::add_position;
  product.position = places_[o.position].vector;
  product.tokens = out[1];
  multiply(product);
  // Row B + r reads the same icon as row r.
  if (program_.shape.guided) std::memcpy(product.y + tokens * out[2], product.y, tokens * out[2] * sizeof(float));
}

void CpuPlan::execute(const op::ModulatedLinear& o, std::uint32_t step) {
  normalise(o.x, o.modulation, o.norm, step);
  const Shape& s = shape(o.x);
  Product product = product_of(o, left_, std::size_t{s[0]} * s[1], places_[o.y].values);
  product.finish = finish_of(o.activation);
  multiply_in_block(product);
}

void CpuPlan::execute(const op::Attention& o, std::uint32_t) {
  const Shape& s = shape(o.y);
  const Attention head{places_[o.qkv].values, optional(o.q_norm), optional(o.k_norm), o.norm_eps, s[0], s[1], o.heads,
                       s[2] / o.heads,        places_[o.y].values};
  // Threads share a head only where there are few: each of them packs its keys and values again.
  const std::size_t heads = std::size_t{s[0]} * o.heads, blocks = head.blocks();
  const std::size_t parts = std::min<std::size_t>(blocks, (2 * pool_.size() + heads - 1) / heads);
  const auto unit = [&](std::size_t i) { return i / parts * blocks + i % parts * blocks / parts; };
  pool_.parallel_for(heads * parts, [&](unsigned thread, std::size_t first, std::size_t last) {
    attention(head, unit(first), unit(last), scratch_ + thread * scratch_floats_);
  });
}

void CpuPlan::execute(const op::GatedLinearAdd& o, std::uint32_t step) {
  const Shape& s = shape(o.x);
  Product product = product_of(o, places_[o.x].values, std::size_t{s[0]} * s[1], places_[o.residual].values);
  const bool gated = o.modulation.gate != op::no_column;
  product.finish = gated ? Finish::gate_add : Finish::add;
  if (gated) product.gate = table(o.modulation, o.modulation.gate, s[1], step);
  multiply_in_block(product);
}

void CpuPlan::execute(const op::Final& o, std::uint32_t step) {
  normalise(o.x, o.modulation, o.norm, step);
  const Shape& s = shape(o.x);
  const Shape& image = shape(o.y);
  const std::size_t tokens = std::size_t{s[0]} * s[1];
  multiply(product_of(o, left_, tokens, features_));
  const Unpatches scatter{features_, image[1], image[2], image[3], o.patch, o.window, places_[o.y].values};
  pool_.parallel_for(tokens, [&](unsigned, std::size_t first, std::size_t last) { unpatches(scatter, first, last); });
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
    update.draw = row + 1;
    update.icon = icons_[icon];
    pool_.parallel_for(counters, [&](unsigned, std::size_t first, std::size_t last) {
      combine(update, 4 * first, std::min(4 * last, elements));
    });
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
