// SPDX-License-Identifier: MIT
#include "tests/engine/ops/pointwise.h"

#include "engine/cpu/executor.h"

namespace dit::test {

SelfTest pointwise_test() {
  Recorder r({.batch = 2, .steps = 3});
  const TensorId x = r.activation("x", {2, 4, 8, 8});
  r.set_x(x);
  r.set_condition(r.activation("condition", {3, 5}));
  r.set_rgba(r.rgba("rgba", {2, 8, 8, 4}));
  r.step("noise", op::Noise{.x = x});
  r.step("combine", op::Combine{.prediction = r.activation("e", {2, 4, 8, 8}),
                                .x = x,
                                .history = r.activation("history", {4, 2, 4, 8, 8})});
  SelfTest test;
  test.program = r.finish();
  test.weights = std::make_shared<Weights>();
  test.request.icons = {{.from = {1, 2}}, {.from = {1, 3}}};
  test.request.condition.resize(15);
  for (std::uint32_t step = 0; step < 3; ++step) {
    SolverRow row;
    row.a = 0.5f;
    row.b[0] = 0.3f;
    row.c = 0.2f;
    test.request.solver.push_back(row);
    test.request.solver_row.insert(test.request.solver_row.end(), 2, step);
    test.request.modulation_row.insert(test.request.modulation_row.end(), 2, step);
  }
  const auto executor = cpu::open(test.weights, {.threads = 1});
  const auto plan = executor->plan(test.program);
  plan->set_request(test.request);
  plan->prepare(never_cancelled);
  plan->run(0, 3, never_cancelled);
  test.expected = plan->read(x);
  return test;
}

}  // namespace dit::test
