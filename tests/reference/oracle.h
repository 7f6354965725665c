// SPDX-License-Identifier: MIT
// Walks a recorded Program with the scalar f64 twins: what both executors are held against.
#pragma once

#include <memory>
#include <vector>

#include "engine/executor.h"
#include "tests/reference/ops.h"

namespace dit::reference {

/// Runs ops one after the other on f64 tensors.
class Oracle {
 public:
  Oracle(std::shared_ptr<const Weights> weights, Program program);

  void set_request(const Request& request);
  /// Runs Program::prepare.
  void prepare();
  /// Runs one step of Program::step.
  void step(std::uint32_t index);
  /// Runs one op as part of step `index`.
  void run(const AnyOp& op, std::uint32_t index);

  /// The tensor's values, for reading and for setting. Weights are there from the start; activations start as zeros.
  Values& operator[](TensorId id) { return values_.at(id); }
  const Program& program() const { return program_; }

 private:
  friend struct OracleVisitor;
  Program program_;
  Request request_;
  std::vector<Values> values_;
};

}  // namespace dit::reference
