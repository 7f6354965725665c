// SPDX-License-Identifier: MIT
#include "tests/engine/ops/op_case.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/model/quantised.h"
#include "engine/network/work.h"
#include "engine/vulkan/choose/ceilings.h"
#include "tests/engine/support/devices_under_test.h"

namespace dit::test {

bool benchmarking = false;

namespace {

constexpr std::uint32_t bench_repeats = 20;
constexpr std::size_t cpu_runs = 21;

/// Microseconds of a step on the host, the median.
double host_time(Plan& plan, std::uint32_t step) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> times;
  for (std::size_t i = 0; i < cpu_runs; ++i) {
    const Clock::time_point start = Clock::now();
    plan.run(step, step + 1, never_cancelled);
    times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

/// Whether an op runs once a condition, and not in a step.
bool is_prepared(const AnyOp& op) {
  return std::holds_alternative<op::Linear>(op) || std::holds_alternative<op::HeadNorm>(op);
}

std::string shapes_of(const Program& program, const Op& op) {
  std::string text = to_string(program.tensor(output_of(op.what)).shape);
  for (const TensorInfo& tensor : program.tensors) {
    if (tensor.kind == TensorKind::weight && tensor.shape.size() > 1) text += " by " + to_string(tensor.shape);
  }
  return text;
}

}  // namespace

std::uint16_t float_to_half(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000u);
  const float magnitude = std::fabs(value);
  if (magnitude < 0x1p-14f)
    return static_cast<std::uint16_t>(sign | static_cast<std::uint16_t>(std::nearbyint(magnitude * 0x1p24f)));
  const std::uint32_t rounded = (bits & 0x7fffffffu) + 0xfffu + (bits >> 13 & 1u);
  return static_cast<std::uint16_t>(sign | ((rounded >> 13) - (112u << 10)));
}

OpCase::OpCase(PlanShape shape, DType dtype, Shape image, std::uint32_t condition_width)
    : shape_(shape), dtype_(dtype) {
  image[0] = shape.batch;
  condition_ = input("condition", {shape.steps * shape.conditions, condition_width});
  x_ = input("x", image);
  tensors_.push_back({"rgba", TensorKind::rgba, {image[0], image[2], image[3], 4}});
  rgba_ = static_cast<TensorId>(initial_.size());
  initial_.emplace_back();

  request_.icons.resize(shape.batch);
  for (std::uint32_t b = 0; b < shape.batch; ++b)
    request_.icons[b] = {0x123456789abcdef0u + b, 0xfedcba9876543210u - b};
  request_.condition = initial_[condition_];
  request_.solver.resize(shape.steps);
  // Rows are picked out of order, so that an executor that ignores the index shows.
  const std::uint32_t table_rows = shape.steps * shape.conditions;
  for (std::uint32_t i = 0; i < shape.steps * shape.rows(); ++i)
    request_.modulation_row.push_back((i * 7 + 1) % table_rows);
  for (std::uint32_t i = 0; i < shape.steps * shape.batch; ++i) request_.solver_row.push_back((i * 5) % shape.steps);
}

std::vector<float> OpCase::random(std::uint64_t count, double scale, double offset) {
  std::normal_distribution<double> normal;  // which allows no deviation of 0 itself
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(normal(random_) * scale + offset);
  return values;
}

TensorId OpCase::weight(const std::string& name, Shape shape, double scale, double offset) {
  const std::vector<float> values = random(element_count(shape), scale, offset);
  const bool matrix = shape.size() > 1 && !(is_quantised(dtype_) && shape.back() % group_size);
  WeightView view{name, matrix ? dtype_ : DType::f32, shape, {}};
  auto stored = std::make_shared<Quantised>();
  if (is_quantised(view.dtype)) {
    *stored = quantise(view.dtype, values);
    view.scales = stored->scales;
  } else {
    stored->bytes.resize(values.size() * size_of(view.dtype));
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::uint16_t half = float_to_half(values[i]);
      const auto brain = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(values[i]) >> 16);
      if (view.dtype == DType::f16) std::memcpy(stored->bytes.data() + 2 * i, &half, 2);
      if (view.dtype == DType::bf16) std::memcpy(stored->bytes.data() + 2 * i, &brain, 2);
      if (view.dtype == DType::f32) std::memcpy(stored->bytes.data() + 4 * i, &values[i], 4);
    }
  }
  view.bytes = stored->bytes;
  weights_->tensors[name] = view;
  // Each owner holds the ones before it: a list that lives as long as the weights.
  weights_->owner =
      std::make_shared<std::pair<std::shared_ptr<const void>, std::shared_ptr<const void>>>(weights_->owner, stored);
  tensors_.push_back({name, TensorKind::weight, std::move(shape)});
  initial_.emplace_back();
  return static_cast<TensorId>(tensors_.size() - 1);
}

std::span<float> OpCase::weight_values(TensorId id) {
  const WeightView& view = weights_->tensors.at(tensors_.at(id).name);
  // The bytes are this case's own; only the view of them is const.
  auto* values = reinterpret_cast<float*>(const_cast<std::byte*>(view.bytes.data()));
  return {values, element_count(view.shape)};
}

TensorId OpCase::input(const std::string& name, Shape shape, double scale) {
  initial_.push_back(random(element_count(shape), scale, 0));
  tensors_.push_back({name, TensorKind::activation, std::move(shape)});
  return static_cast<TensorId>(tensors_.size() - 1);
}

TensorId OpCase::output(const std::string& name, Shape shape) {
  const TensorId id = input(name, std::move(shape));
  initial_[id].assign(initial_[id].size(), std::numeric_limits<float>::quiet_NaN());
  return id;
}

Program OpCase::program() const {
  // Through the Recorder, so that its shape checks run on every case too.
  Recorder recorder(shape_);
  for (const TensorInfo& tensor : tensors_) {
    switch (tensor.kind) {
      case TensorKind::weight:
        recorder.weight(tensor.name, tensor.shape);
        break;
      case TensorKind::activation:
        recorder.activation(tensor.name, tensor.shape);
        break;
      case TensorKind::rgba:
        recorder.rgba(tensor.name, tensor.shape);
        break;
    }
  }
  recorder.set_condition(condition_);
  recorder.set_x(x_);
  recorder.set_rgba(rgba_);
  if (is_prepared(op_)) {
    recorder.prepare(kernel_name(op_), op_);
  } else {
    recorder.step(kernel_name(op_), op_);
  }
  return recorder.finish();
}

std::unique_ptr<Plan> OpCase::plan_on(const std::string& kind, Executor& executor) const {
  try {
    return executor.plan(program());
  } catch (const Error& error) {
    // Fused kernels need more shared memory than every device has; the plain ones serve all shapes.
    if (error.kind() != ErrorKind::unsupported || !kind.starts_with("vulkan_")) throw;
    fmt::print("{} on {}: skipped: {}\n", kernel_name(op_), kind, error.what());
    return nullptr;
  }
}

void OpCase::check(const std::string& kind, std::uint32_t step, double f32_bound) {
  const double bound = bound_of(kind, f32_bound);
  reference::Oracle oracle(weights_, program());
  const auto executor = open_executor(kind, weights_);
  const auto plan = plan_on(kind, *executor);
  if (!plan) return;
  oracle.set_request(request_);
  plan->set_request(request_);
  for (TensorId id = 0; id < tensors_.size(); ++id) {
    if (tensors_[id].kind != TensorKind::activation || id == condition_) continue;
    plan->write(id, initial_[id]);
    oracle[id].assign(initial_[id].begin(), initial_[id].end());
  }
  const std::atomic<bool> cancel{false};
  Ticket ticket;
  if (is_prepared(op_)) {
    oracle.prepare();
    plan->prepare(never_cancelled);
  } else {
    oracle.step(step);
    ticket = plan->run(step, step + 1, cancel);
  }
  got_.assign(tensors_.size(), {});
  for (TensorId id = 0; id < tensors_.size(); ++id) {
    if (tensors_[id].kind != TensorKind::weight) got_[id] = plan->read(id);
    if (tensors_[id].kind != TensorKind::activation) continue;
    const std::vector<float>& got = got_[id];
    const reference::Values& expected = oracle[id];
    ASSERT_EQ(got.size(), expected.size());
    double largest = 1e-30;
    for (const double value : expected) largest = !std::isfinite(value) ? largest : std::max(largest, std::fabs(value));
    for (std::size_t i = 0; i < got.size(); ++i) {
      // NaN or infinity that the twin has too is an input that the op must not have touched.
      if (std::isnan(expected[i]) && std::isnan(got[i])) continue;
      if (std::isinf(expected[i]) && got[i] == expected[i]) continue;
      ASSERT_LE(std::fabs(got[i] - expected[i]), bound * largest)
          << kernel_name(op_) << " on " << kind << ": '" << tensors_[id].name << "' " << to_string(tensors_[id].shape)
          << " first differs at " << i << ": got " << got[i] << ", expected " << expected[i];
    }
  }
  check_bytes(kind, *plan, ticket, oracle);
  if (benchmarking && !::testing::Test::HasFailure()) time(kind, *plan, step);
}

/// The picture in bytes.
void OpCase::check_bytes(const std::string& kind, Plan& plan, const Ticket& ticket, reference::Oracle& oracle) const {
  if (!std::holds_alternative<op::ToRgba>(op_)) return;
  std::vector<std::uint8_t> icon(oracle[rgba_].size() / shape_.batch);
  for (std::uint32_t b = 0; b < shape_.batch; ++b) {
    plan.read(ticket, b, icon);
    for (std::size_t i = 0; i < icon.size(); ++i) {
      ASSERT_NEAR(icon[i], oracle[rgba_][b * icon.size() + i], 1)
          << "to_rgba on " << kind << ": icon " << b << " byte " << i;
    }
  }
}

/// A row of the benchmark for each dispatch; the kernel of the op's name carries its work, else the longest.
void OpCase::time(const std::string& kind, Plan& plan, std::uint32_t step) const {
  const Program& program = plan.program();
  const std::vector<Op>& ops = program.step.empty() ? program.prepare : program.step;
  const bool half = kind.ends_with("_f16") || kind.ends_with("_matrix");
  const bool staged = kind != "cpu" && kind != "vulkan";
  const double weight = half ? 2 : staged ? 4 : static_cast<double>(storage_bytes(dtype_, 1024)) / 1024;
  const Work work = work_of(program, ops, {.weight = weight, .activation = half ? 2.0 : 4.0});
  const std::string what =
      fmt::format("{:16} {:16} {:4} {}", kernel_name(op_), kind, name_of(dtype_), shapes_of(program, ops.front()));
  const auto rates = [&](double us) {
    return fmt::format("{:10.2f} us {:9.2f} GB/s {:9.2f} GFLOP/s", us, work.bytes / us * 1e-3, work.flop / us * 1e-3);
  };
  if (kind == "cpu") {
    if (!program.step.empty()) fmt::print("bench {:80} {}\n", what, rates(host_time(plan, step)));
    return;
  }
  static const vulkan::Ceilings ceilings = vulkan::measure_ceilings(vulkan_index());
  const auto launches = vulkan::time_launches(plan, step, bench_repeats);
  const auto main = std::ranges::max_element(launches, {}, [this](const vulkan::LaunchTime& one) {
    return std::pair(one.kernel.starts_with(kernel_name(op_)), one.microseconds);
  });
  for (auto one = launches.begin(); one != launches.end(); ++one) {
    std::string row = fmt::format("{:10.2f} us", one->microseconds);
    if (one == main) {
      const vulkan::Share share =
          vulkan::share_of(ceilings, work, one->microseconds, kind.ends_with("_matrix"), {1, 0});
      row = fmt::format("{} {:5.1f} % {:8}", rates(one->microseconds), 100 * share.share, share.bound);
    }
    fmt::print("bench {:80} {}  {}\n", what, row, one->kernel.substr(0, one->kernel.find(' ')));
  }
}

}  // namespace dit::test
