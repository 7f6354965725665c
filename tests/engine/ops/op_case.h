// SPDX-License-Identifier: MIT
// One op with random tensors on an executor, beside its scalar twin.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <string>

#include "engine/executor.h"
#include "tests/reference/oracle.h"

namespace dit::test {

/// Builds a one-op Program with random weights and inputs, runs both sides, compares every activation.
class OpCase {
 public:
  /// dtype  of every weight matrix: f32, f16, bf16 or quantised; vectors (bias, norms) are f32, and so are matrices
  /// whose
  ///        rows cannot be quantised
  OpCase(PlanShape shape, DType dtype, Shape image = {1, 3, 4, 4}, std::uint32_t condition_width = 5);

  TensorId weight(const std::string& name, Shape shape, double scale = 1, double offset = 0);
  TensorId input(const std::string& name, Shape shape, double scale = 1);
  /// Starts as NaN on the device and must be wholly overwritten.
  TensorId output(const std::string& name, Shape shape);
  TensorId x() const { return x_; }
  TensorId rgba() const { return rgba_; }
  TensorId condition() const { return condition_; }
  const PlanShape& shape() const { return shape_; }

  void add(const AnyOp& op) { op_ = op; }
  Request& request() { return request_; }
  /// Values of an input before the run, to be changed by the test.
  std::vector<float>& initial(TensorId id) { return initial_.at(id); }

  /// Values of an f32 matrix, to be read and changed by the test.
  std::span<float> weight_values(TensorId id);
  /// What the device had in a tensor after check().
  const std::vector<float>& got(TensorId id) const { return got_.at(id); }

  /// Runs on `kind` and on the oracle. f32_bound  where sums and values are f32, largest |got − expected| over the
  /// largest |expected| of each tensor
  void check(const std::string& kind, std::uint32_t step = 0, double f32_bound = 1e-5);

 private:
  void check_bytes(const std::string& kind, Plan& plan, const Ticket& ticket, reference::Oracle& oracle) const;
  void time(const std::string& kind, Plan& plan, std::uint32_t step) const;
  std::vector<float> random(std::uint64_t count, double scale, double offset);
  Program program() const;
  /// Null where the kind does not serve this case's shape.
  std::unique_ptr<Plan> plan_on(const std::string& kind, Executor& executor) const;

  PlanShape shape_;
  DType dtype_;
  std::shared_ptr<Weights> weights_ = std::make_shared<Weights>();
  std::vector<TensorInfo> tensors_;
  std::vector<std::vector<float>> initial_, got_;
  AnyOp op_;
  Request request_;
  TensorId condition_, x_, rgba_;
  std::mt19937 random_{7};
};

/// Whether dit_tests was started with --bench: a case that is right is then timed.
extern bool benchmarking;

/// f32 to IEEE half, round to nearest even, for test weights.
std::uint16_t float_to_half(float value);

}  // namespace dit::test
