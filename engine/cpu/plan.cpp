// SPDX-License-Identifier: MIT
#include "engine/cpu/plan.h"

#include <algorithm>
#include <cstring>

#include "engine/error.h"

namespace dit::cpu {
namespace {

/// The tensors of an op, by what the plan must do for them.
struct Operands {
  TensorId matrix = no_tensor;
  std::vector<TensorId> vectors;      // weights; entries may be no_tensor
  std::vector<TensorId> activations;  // read or written; entries may be no_tensor
  TensorId rgba = no_tensor;
};

struct OperandsOf {
  Operands operator()(const op::Noise& o) const { return {no_tensor, {}, {o.x}, no_tensor}; }
  Operands operator()(const op::Linear& o) const { return {o.weight, {o.bias}, {o.x, o.y}, no_tensor}; }
  Operands operator()(const op::HeadNorm& o) const { return {no_tensor, {o.weight}, {o.x}, no_tensor}; }
  Operands operator()(const op::Embed& o) const { return {o.weight, {o.bias, o.position}, {o.x, o.y}, no_tensor}; }
  Operands operator()(const op::ModulatedLinear& o) const {
    return {o.weight, {o.bias}, {o.x, o.modulation.table, o.y}, no_tensor};
  }
  Operands operator()(const op::Attention& o) const {
    return {no_tensor, {o.q_norm, o.k_norm}, {o.qkv, o.context, o.y}, no_tensor};
  }
  Operands operator()(const op::GatedLinearAdd& o) const {
    return {o.weight, {o.bias}, {o.x, o.modulation.table, o.residual}, no_tensor};
  }
  Operands operator()(const op::Final& o) const {
    return {o.weight, {o.bias}, {o.x, o.modulation.table, o.y}, no_tensor};
  }
  Operands operator()(const op::Conv& o) const {
    return {no_tensor, {o.weight, o.bias}, {o.x, o.picture, o.y}, no_tensor};
  }
  Operands operator()(const op::Combine& o) const { return {no_tensor, {}, {o.prediction, o.x, o.history}, no_tensor}; }
  Operands operator()(const op::ToRgba& o) const { return {no_tensor, {}, {o.x}, o.rgba}; }
  Operands operator()(const op::Begin& o) const { return {no_tensor, {}, {o.x}, no_tensor}; }
  Operands operator()(const op::Hold& o) const { return {no_tensor, {}, {o.x}, no_tensor}; }
};

bool is_weight_of_conv(const Op& op, TensorId id) {
  const auto* conv = std::get_if<op::Conv>(&op.what);
  return conv && conv->weight == id;
}

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

}  // namespace

/// Floats of the working memory that ops share, each the largest that any op needs; all but the scratch for each row of
/// the batch.
struct CpuPlan::Sizes {
  const CpuPlan& plan;
  std::size_t lhs = 0, features = 0, scratch = Product::scratch();
  std::size_t narrow = 0;  // of 16-bit values: two in a float

  /// A left side of `tokens` rows for each of the batch's.
  void narrow_lhs(std::size_t tokens, std::size_t columns) {
    narrow = std::max(narrow, tokens * pair_depth(columns) / 2);
  }
  std::size_t tokens(TensorId image, std::uint32_t patch) const {
    const Shape& s = plan.shape(image);
    return std::size_t{s[2] / patch} * (s[3] / patch);
  }
  void operator()(const op::Embed& o) {
    const std::size_t columns = plan.shape(o.weight)[1];
    lhs = std::max(lhs, tokens(o.x, o.patch) * columns);
    narrow_lhs(tokens(o.x, o.patch), columns);
  }
  void operator()(const op::ModulatedLinear& o) {
    const Shape& s = plan.shape(o.x);
    lhs = std::max(lhs, std::size_t{s[1]} * s[2]);
    narrow_lhs(s[1], s[2]);
  }
  void operator()(const op::GatedLinearAdd& o) { narrow_lhs(plan.shape(o.x)[1], plan.shape(o.x)[2]); }
  void operator()(const op::Final& o) {
    const Shape& s = plan.shape(o.x);
    lhs = std::max(lhs, std::size_t{s[1]} * s[2]);
    narrow_lhs(s[1], s[2]);
    features = std::max(features, tokens(o.y, o.patch) * plan.shape(o.weight)[0]);
  }
  void operator()(const op::Attention& o) {
    scratch = std::max(scratch, plan.attention_of(o, 0, {0, 1, {}}).scratch());
  }
  void operator()(const op::HeadNorm& o) { scratch = std::max(scratch, plan.norm_of(o).scratch()); }
  void operator()(const op::Conv& o) {
    const std::size_t rows = plan.program_.shape.rows();
    scratch = std::max({scratch, plan.conv_of(o, {0, rows, {}}).scratch(), plan.conv_of(o, {0, rows, 0}).scratch()});
  }
  template <class Other>
  void operator()(const Other&) {}
};

CpuPlan::CpuPlan(Program program, WeightStore& weights, ThreadPool& pool, DType product)
    : program_(std::move(program)),
      pool_(pool),
      product_(product),
      places_(program_.tensors.size()),
      runs_(program_.shape.batch, program_.shape.sketches ? pixels_of(program_) : 0) {
  for_each_op(program_, [this](const Op& op) {
    const Operands operands = std::visit(OperandsOf{}, op.what);
    if (operands.matrix != no_tensor) check_kind(program_, op, operands.matrix, TensorKind::weight);
    for (const TensorId id : operands.vectors)
      if (id != no_tensor) check_kind(program_, op, id, TensorKind::weight);
    for (const TensorId id : operands.activations)
      if (id != no_tensor) check_kind(program_, op, id, TensorKind::activation);
    if (operands.rgba != no_tensor) check_kind(program_, op, operands.rgba, TensorKind::rgba);
  });
  place_weights(weights);
  place_activations();
  find_stretches();
  const PlanShape& s = program_.shape;
  icons_.resize(s.batch);
  modulation_row_.resize(std::size_t{s.steps} * s.rows());
  solver_.resize(s.steps);
  solver_row_.resize(std::size_t{s.steps} * s.batch);
}

bool CpuPlan::is_narrow(const Op& op, const Shape& weight) const {
  const bool in_block =
      std::holds_alternative<op::ModulatedLinear>(op.what) || std::holds_alternative<op::GatedLinearAdd>(op.what);
  if (product_ == DType::i8) return in_block && weight[1] % group_size == 0;
  // What is made once a prompt stays in f32.
  return product_ != DType::f32 && !std::holds_alternative<op::Linear>(op.what);
}

void CpuPlan::place_weights(WeightStore& weights) {
  std::vector<WeightRequest> requests;
  for_each_op(program_, [&](const Op& op) {
    const Operands operands = std::visit(OperandsOf{}, op.what);
    const auto want = [&](TensorId id, bool matrix) {
      if (id == no_tensor) return;
      const bool taps = product_ == DType::bf16 && is_weight_of_conv(op, id);
      const DType product = taps || (matrix && is_narrow(op, shape(id))) ? product_ : DType::f32;
      requests.push_back({program_.tensors[id].name, shape(id), matrix, product});
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
  const bool narrow = product_ != DType::f32;
  std::vector<std::pair<Room*, std::size_t>> rooms;
  for (const auto& [room, row] : {std::pair{&lhs_, sizes.lhs},
                                  {&features_, sizes.features},
                                  {&narrow_, narrow ? sizes.narrow : 0},
                                  {&scales_, narrow ? 2 * sizes.narrow / group_size + 1 : 0}}) {
    room->row = round_to_line(row);
    rooms.emplace_back(room, floats);
    floats += room->row * program_.shape.rows();
  }
  const std::size_t scratch = floats;
  arena_ = Block((scratch + scratch_floats_ * pool_.size()) * sizeof(float), "CPU activations");

  for (std::size_t id = 0; id < program_.tensors.size(); ++id) {
    float* at = arena_.f32() + offsets[id];
    if (program_.tensors[id].kind == TensorKind::activation) places_[id].values = at;
    if (program_.tensors[id].kind == TensorKind::rgba) places_[id].bytes = reinterpret_cast<std::uint8_t*>(at);
  }
  for (const auto& [room, offset] : rooms) room->all = arena_.f32() + offset;
  scratch_ = arena_.f32() + scratch;
}

void CpuPlan::find_stretches() {
  const std::vector<Op>& ops = program_.step;
  const auto by_rows = [](const Op& op) {
    return std::visit([](const auto& what) { return is_by_rows<std::decay_t<decltype(what)>>; }, op.what);
  };
  // A transformer block each, so that what has read its weights last leaves them to the next in a cache.
  const auto begins_block = [&ops](std::size_t i) {
    return i + 1 < ops.size() && std::holds_alternative<op::Attention>(ops[i + 1].what);
  };
  for (std::size_t i = 0; i < ops.size(); ++i) {
    if (!by_rows(ops[i])) continue;
    if (stretches_.empty() || stretches_.back().last != i || begins_block(i)) stretches_.push_back({i, i});
    stretches_.back().last = i + 1;
  }
}

std::size_t CpuPlan::rows_at_a_time() const noexcept {
  const std::size_t rows = program_.shape.rows(), threads = pool_.size();
  // Two keep what a weight becomes in f32 for twice as long, and still fit a second-level cache of 1 MiB.
  for (const std::size_t some : {2u, 1u}) {
    const std::size_t pieces = (rows + some - 1) / some, most = (pieces + threads - 1) / threads * some;
    // Working memory is for `rows` at a time; and nobody should wait long for who has one more.
    if (rows > 1 && threads * some <= rows && (threads == 1 || most * threads * 20 <= rows * 21)) return some;
  }
  return 0;
}

void CpuPlan::set_request(const Request& request) {
  length_ = check_request(program_, request);
  check_sketches(program_, request.icons);
  drop();
  std::ranges::copy(request.icons, icons_.begin());
  std::ranges::copy(request.modulation_row, modulation_row_.begin());
  std::ranges::copy(request.solver, solver_.begin());
  std::ranges::copy(request.solver_row, solver_row_.begin());
  if (program_.condition != no_tensor) std::ranges::copy(request.condition, places_[program_.condition].values);
  if (program_.context != no_tensor) std::ranges::copy(request.context, places_[program_.context].values);
}

void CpuPlan::execute_all(const std::vector<Op>& ops, std::uint32_t step, const std::atomic<bool>& cancel) {
  for (const Op& op : ops) {
    if (cancel.load(std::memory_order_relaxed)) throw Cancelled();
    execute(op, step);
  }
}

void CpuPlan::prepare(const std::atomic<bool>& cancel) {
  drop();
  execute_all(program_.prepare, 0, cancel);
}

Ticket CpuPlan::submit(std::span<const IconPoint> icons, std::uint32_t first, std::uint32_t last) {
  check_sketches(program_, icons);
  return runs_.open(icons, first, last, length_).ticket;
}

/// The run's next step.
void CpuPlan::execute_step(const Run& run, const std::atomic<bool>& cancel) {
  auto stretch = stretches_.begin();
  for (std::size_t i = 0; i < program_.step.size(); ++i) {
    const Op& op = program_.step[i];
    const bool picture = std::holds_alternative<op::ToRgba>(op.what);
    // Nobody can see the bytes of the steps before the last one.
    if (picture && run.done + 1 < run.last) continue;
    if (cancel.load(std::memory_order_relaxed)) throw Cancelled();
    // From here on the bytes are no longer those of the run before.
    if (picture) runs_.forget_pictures();
    if (stretch != stretches_.end() && stretch->first == i && rows_at_a_time() > 0) {
      execute(*stretch, run.done);
      i = stretch++->last - 1;
      continue;
    }
    execute(op, run.done);
  }
}

void CpuPlan::wait(const Ticket& ticket, std::uint32_t step, const std::atomic<bool>& cancel) {
  try {
    for (std::uint32_t count = runs_.to_wait_for(ticket, step); count > 0; --count) {
      Run& run = runs_[0];
      painted_ = run.icons;
      for (const std::uint32_t end = count == 1 ? step : run.last; run.done < end; ++run.done)
        execute_step(run, cancel);
      if (run.done == run.last) runs_.finish_oldest();
    }
  } catch (const Cancelled&) {
    drop();
    throw;
  }
}

void CpuPlan::read(const Ticket& ticket, std::uint32_t icon, std::span<std::uint8_t> out) {
  expect(program_.rgba != no_tensor, ErrorKind::unsupported, "read: expected a program with an image, found none");
  const std::size_t size = element_count(shape(program_.rgba)) / program_.shape.batch;
  runs_.check_pictures(ticket, icon, out, size);
  std::memcpy(out.data(), places_[program_.rgba].bytes + icon * size, size);
}

const TensorInfo& CpuPlan::checked(TensorId id) const {
  expect(id < program_.tensors.size(), ErrorKind::settings, "tensor: expected a number below {}, found {}",
         program_.tensors.size(), id);
  return program_.tensors[id];
}

std::vector<float> CpuPlan::read(TensorId id) {
  const TensorInfo& info = checked(id);
  drop();
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
  drop();
  std::ranges::copy(values, places_[id].values);
}

void CpuPlan::capture(bool prepare, std::uint32_t step, const Checkpoint& checkpoint) {
  expect(step < program_.shape.steps, ErrorKind::settings, "capture: expected a step below {}, found {}",
         program_.shape.steps, step);
  drop();
  runs_.forget_pictures();
  painted_ = icons_;
  for (const Op& op : prepare ? program_.prepare : program_.step) {
    execute(op, step);
    const TensorId output = output_of(op.what);
    const std::vector<float> values = read(output);
    checkpoint(op, shape(output), values);
  }
}

}  // namespace dit::cpu
