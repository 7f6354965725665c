// SPDX-License-Identifier: MIT
#include "tests/engine/ops/pointwise.h"

#include "engine/cpu/executor.h"

namespace dit::test {

SelfTest pointwise_test() {
  Recorder r({.batch = 2, .steps = 3});
  const TensorId x = r.activation("x", {2, 4, 8, 8});
  r.set_x(x);
  r.set_condition(r.activation("condition", {3, 5}));
  const TensorId rgba = r.rgba("rgba", {2, 8, 8, 4});
  r.set_rgba(rgba);
  r.step("noise", op::Noise{.x = x});
  r.step("combine", op::Combine{.prediction = r.activation("e", {2, 4, 8, 8}),
                                .x = x,
                                .history = r.activation("history", {4, 2, 4, 8, 8})});
  r.step("to_rgba", op::ToRgba{.x = x, .rgba = rgba, .premultiplied = true});
  const Program program = r.finish();
  Request request;
  request.icons = {{.from = {1, 2}}, {.from = {1, 2}}};
  request.condition.resize(15);
  for (std::uint32_t step = 0; step < 3; ++step) {
    SolverRow row;
    row.a = 0.5f;
    row.b[0] = 0.3f;
    row.c = 0.2f;
    request.solver.push_back(row);
    request.solver_row.insert(request.solver_row.end(), 2, step);
    request.modulation_row.insert(request.modulation_row.end(), 2, step);
  }
  SelfTest test;
  test.weights = std::make_shared<Weights>();
  const auto executor = cpu::open(test.weights, {.threads = 1});
  const auto plan = executor->plan(program);
  plan->set_request(request);
  plan->prepare(never_cancelled);
  plan->run(0, 1, never_cancelled);
  std::vector<SelfTest::Known> known = {{.x = plan->read(x), .rgba = std::vector<std::uint8_t>(8 * 8 * 4)}};
  plan->read(plan->run(0, 3, never_cancelled), 0, known[0].rgba);
  test.tried = [program, request](std::uint32_t) { return SelfTest::Tried{program, {request}}; };
  test.known = [known](bool) -> const std::vector<SelfTest::Known>& { return known; };
  return test;
}

}  // namespace dit::test
