// SPDX-License-Identifier: MIT
// What only the CPU executor promises: the same bits on any number of threads, in any batch and on any target with
// fused multiply-add; every SIMD target right; errors and cancelling that leave a usable plan.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <thread>

#include "engine/cpu/executor.h"
#include "engine/cpu/kernels/targets.h"
#include "engine/error.h"
#include "engine/network/dit.h"
#include "tests/engine/cpu/odd_network.h"
#include "tests/engine/ops/op_case.h"
#include "tests/engine/support/random_weights.h"

namespace dit::test {
namespace {

constexpr PlanShape one_icon{.batch = 1, .conditions = 2, .steps = 5, .guided = true};
constexpr PlanShape three_icons{.batch = 3, .conditions = 2, .steps = 5, .guided = true};

struct Painted {
  std::vector<float> x, rgba;  // all icons of the batch
  bool operator==(const Painted&) const = default;
};

Painted paint(const ModelConfig& config, const PlanShape& shape, unsigned threads, std::uint64_t first_icon = 0) {
  const Program program = record(config, shape);
  const auto executor = cpu::open(random_weights(program), {.threads = threads});
  const auto plan = executor->plan(program);
  plan->set_request(request_for(shape, config, first_icon));
  plan->prepare(never_cancelled);
  plan->run(0, shape.steps, std::atomic<bool>{false});
  return {plan->read(program.x), plan->read(program.rgba)};
}

ErrorKind kind_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("expected"), std::string::npos) << error.what();
    return error.kind();
  }
  ADD_FAILURE() << "no error";
  return ErrorKind::device;
}

/// Puts the best target back at the end of a test.
class Cpu : public ::testing::Test {
 protected:
  void TearDown() override { cpu::force_target(""); }
};

TEST_F(Cpu, SameBitsOnAnyNumberOfThreads) {
  for (const ModelConfig& config : odd_configs()) {
    const Painted expected = paint(config, three_icons, 1);
    for (const float value : expected.x) ASSERT_TRUE(std::isfinite(value));
    for (const unsigned threads : {2u, 3u, 8u})
      EXPECT_TRUE(paint(config, three_icons, threads) == expected) << threads << ", context " << config.context;
  }
}

TEST_F(Cpu, SameBitsInAnyBatch) {
  for (const ModelConfig& config : odd_configs()) {
    const Painted batch = paint(config, three_icons, 2);
    const auto part = [](const std::vector<float>& all, std::size_t icon) {
      return std::span(all).subspan(icon * all.size() / 3, all.size() / 3);
    };
    for (std::uint32_t icon = 0; icon < 3; ++icon) {
      const Painted one = paint(config, one_icon, 2, icon);
      EXPECT_TRUE(std::ranges::equal(one.x, part(batch.x, icon)));
      EXPECT_TRUE(std::ranges::equal(one.rgba, part(batch.rgba, icon)));
    }
    EXPECT_FALSE(std::ranges::equal(part(batch.x, 0), part(batch.x, 1))) << "two icons are the same";
  }
}

TEST_F(Cpu, SameBitsOnTargetsWithFusedMultiplyAdd) {
  std::vector<Painted> expected;
  for (const ModelConfig& config : odd_configs()) expected.push_back(paint(config, one_icon, 1));
  const std::string best = cpu::target();
  int compared = 0;
  for (const std::string& target : cpu::usable_targets()) {
    if (!target.starts_with("AVX") || target == best) continue;
    cpu::force_target(target);
    for (std::size_t i = 0; i < expected.size(); ++i)
      EXPECT_TRUE(paint(odd_configs()[i], one_icon, 1) == expected[i]) << target << " against " << best;
    ++compared;
  }
  if (compared == 0) GTEST_SKIP() << "fewer than two targets with fused multiply-add here; best is " << best;
}

/// Each kernel that has SIMD code, with tails in every direction.
void check_kernels() {
  const PlanShape shape{.batch = 2, .conditions = 2, .steps = 2, .guided = true};
  for (const std::uint32_t dim : {1u, 7u, 48u, 50u, 161u}) {
    const std::uint32_t tokens = dim == 48 ? 16 : 5, out = dim + 3;
    OpCase linear(shape, DType::f16);
    linear.add(op::Linear{linear.input("a", {11, dim}), linear.weight("w", {out, dim}), linear.weight("b", {out}),
                          linear.output("y", {11, out})});
    linear.check("cpu");

    for (const Activation activation :
         {Activation::none, Activation::silu, Activation::gelu_erf, Activation::gelu_tanh}) {
      OpCase modulated(shape, DType::f32);
      modulated.add(op::ModulatedLinear{
          .x = modulated.input("a", {4, tokens, dim}),
          .modulation = {.table = modulated.input("table", {4, 2 * dim + 1}), .shift = 1, .scale = dim + 1},
          .norm = {.unbiased = dim == 7, .eps_outside = dim == 48},
          .weight = modulated.weight("w", {out, dim}),
          .bias = modulated.weight("b", {out}),
          .activation = activation,
          .y = modulated.output("y", {4, tokens, out})});
      modulated.check("cpu");
    }

    OpCase gated(shape, DType::f32);
    gated.add(op::GatedLinearAdd{gated.input("a", {4, tokens, dim}), gated.weight("w", {out, dim}), no_tensor,
                                 op::Modulation{gated.input("table", {4, out}), 0, 0, 0},
                                 gated.input("r", {4, tokens, out})});
    gated.check("cpu");
  }
  // Every way that a panel is kept, also past the depth that is done in one go and with more rows than a group has.
  for (const DType dtype :
       {DType::f32, DType::f16, DType::bf16, DType::q8_0, DType::q4_0, DType::int8_g32, DType::int4_g32}) {
    for (const auto& [rows, depth, out] : {std::array{1u, 32u, 49u}, {9u, 64u, 16u}, {130u, 544u, 97u}}) {
      SCOPED_TRACE(name_of(dtype));
      OpCase linear(shape, dtype);
      linear.add(op::Linear{linear.input("a", {rows, depth}), linear.weight("w", {out, depth}), no_tensor,
                            linear.output("y", {rows, out})});
      linear.check("cpu");
    }
  }
  for (const auto& [tokens, head] : {std::array{1u, 1u}, {5u, 3u}, {16u, 16u}, {33u, 20u}, {64u, 64u}, {64u, 128u}}) {
    OpCase attention(shape, DType::f32);
    attention.add(op::Attention{attention.input("qkv", {4, tokens, 3 * 2 * head}),
                                attention.weight("q", {head}, 0.2, 1), attention.weight("k", {head}, 0.2, 1), 1e-6f, 2,
                                attention.output("y", {4, tokens, 2 * head}),
                                head == 16 ? no_tensor : attention.input("prompts", {2 * head, 4 * head})});
    attention.check("cpu");

    OpCase norm(shape, DType::f32);
    norm.add(op::HeadNorm{norm.input("keys", {tokens, 3 * head}), norm.weight("w", {head}), 1e-6f, 2});
    norm.check("cpu");

    OpCase conv(shape, DType::f32, {1, 3, 9, tokens});
    conv.add(op::Conv{conv.input("h", {4, head, 9, tokens}), conv.x(), conv.weight("w", {head, head + 3, 3, 3}, 0.1),
                      conv.weight("b", {head}), Activation::silu, true, conv.output("y", {4, head, 9, tokens})});
    conv.check("cpu");
  }
}

TEST_F(Cpu, EveryTargetMatchesTheScalarTwins) {
  const std::vector<std::string> targets = cpu::usable_targets();
  ASSERT_FALSE(targets.empty());
  for (const std::string& target : targets) {
    cpu::force_target(target);
    ASSERT_EQ(cpu::target(), target);
    SCOPED_TRACE(target);
    check_kernels();
  }
}

TEST_F(Cpu, UnknownTargetIsAnError) {
  EXPECT_EQ(kind_of([] { cpu::force_target("AVX1024"); }), ErrorKind::settings);
}

TEST_F(Cpu, CancelEndsARunAndLeavesThePlanUsable) {
  const ModelConfig config = odd_config();
  const PlanShape shape{.batch = 2, .conditions = 2, .steps = 1000, .guided = true};
  const Program program = record(config, shape);
  const auto executor = cpu::open(random_weights(program), {.threads = 2});
  const auto plan = executor->plan(program);
  plan->set_request(request_for(shape, config, 0));
  plan->prepare(never_cancelled);
  std::atomic<bool> cancel{false};
  plan->run(0, 4, cancel);
  const std::vector<float> expected = plan->read(program.x);

  cancel = true;
  EXPECT_THROW(plan->run(0, 4, cancel), Cancelled);
  cancel = false;
  // Long enough that the flag always comes in the middle.
  std::thread other([&cancel] {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    cancel = true;
  });
  EXPECT_THROW(plan->run(0, shape.steps, cancel), Cancelled);
  other.join();
  cancel = false;
  plan->run(0, 4, cancel);
  EXPECT_EQ(plan->read(program.x), expected);
}

TEST_F(Cpu, HistoryWithoutCoefficientIsNotRead) {
  const ModelConfig config = odd_config();
  const Program program = record(config, one_icon);
  const auto executor = cpu::open(random_weights(program), {.threads = 2});
  const auto plan = executor->plan(program);
  const auto history =
      static_cast<TensorId>(std::ranges::find(program.tensors, "history", &TensorInfo::name) - program.tensors.begin());
  const std::vector<float> stale(element_count(program.tensor(history).shape), std::numeric_limits<float>::quiet_NaN());
  plan->set_request(request_for(one_icon, config, 0));
  plan->prepare(never_cancelled);
  plan->write(history, stale);
  plan->run(0, 5, std::atomic<bool>{false});
  for (const float value : plan->read(program.x)) ASSERT_TRUE(std::isfinite(value));
}

TEST_F(Cpu, NaNIsNeverHidden) {
  const ModelConfig config = odd_config();
  const PlanShape shape{.batch = 2, .conditions = 2, .steps = 2, .guided = true};
  const Program program = record(config, shape);
  const auto weights = random_weights(program);
  for (const std::string& target : cpu::usable_targets()) {
    cpu::force_target(target);
    const auto executor = cpu::open(weights, {.threads = 2});
    const auto plan = executor->plan(program);
    plan->set_request(request_for(shape, config, 0));
    plan->prepare(never_cancelled);
    plan->run(0, 1, std::atomic<bool>{false});
    std::vector<float> x = plan->read(program.x);
    x[7] = std::numeric_limits<float>::quiet_NaN();
    plan->write(program.x, x);
    const Ticket ticket = plan->run(1, 2, std::atomic<bool>{false});
    x = plan->read(program.x);
    // Attention spreads it over its own icon, and nothing carries it to the other.
    for (std::size_t i = 0; i < x.size(); ++i) ASSERT_EQ(std::isnan(x[i]), i < x.size() / 2) << target << " at " << i;
    std::vector<std::uint8_t> bytes(config.height * config.width * 4);
    plan->read(ticket, 0, bytes);
    // Clear and yet white: a pixel that no picture has, by which a session knows.
    for (std::size_t i = 0; i < bytes.size(); ++i) ASSERT_EQ(bytes[i], i % 4 == 3 ? 0 : 255) << target << " at " << i;
  }
}

TEST_F(Cpu, RequestOfAnotherSizeIsAnError) {
  const ModelConfig config = odd_config();
  const Program program = record(config, three_icons);
  const auto executor = cpu::open(random_weights(program), {.threads = 1});
  const auto plan = executor->plan(program);
  const Request good = request_for(three_icons, config, 0);
  const auto rejects = [&](const std::function<void(Request&)>& change) {
    Request bad = good;
    change(bad);
    EXPECT_EQ(kind_of([&] { plan->set_request(bad); }), ErrorKind::settings);
  };
  rejects([](Request& r) { r.icons.pop_back(); });
  rejects([](Request& r) { r.condition.push_back(0); });
  rejects([](Request& r) { r.modulation_row.pop_back(); });
  rejects([](Request& r) { r.solver.emplace_back(); });
  rejects([](Request& r) { r.solver_row.clear(); });
  rejects([](Request& r) { r.modulation_row.back() = 10; });
  rejects([](Request& r) { r.solver_row.front() = 5; });
  plan->set_request(good);

  std::vector<std::uint8_t> bytes(config.height * config.width * 4);
  const Ticket ticket = plan->run(0, 1, std::atomic<bool>{false});
  EXPECT_EQ(kind_of([&] { plan->read(ticket, 3, bytes); }), ErrorKind::settings);
  EXPECT_EQ(kind_of([&] { plan->read(ticket, 0, std::span(bytes).first(5)); }), ErrorKind::settings);
  EXPECT_EQ(kind_of([&] { plan->run(0, 6, std::atomic<bool>{false}); }), ErrorKind::settings);
  EXPECT_EQ(kind_of([&] { plan->write(program.x, std::vector<float>(3)); }), ErrorKind::settings);
  EXPECT_EQ(kind_of([&] { plan->read(999); }), ErrorKind::settings);
}

TEST_F(Cpu, WrongWeightsAreAnError) {
  const Program program = record(odd_config(), one_icon);
  const auto weights = random_weights(program);
  auto missing = std::make_shared<Weights>(*weights);
  missing->tensors.erase("pos_embed");
  EXPECT_EQ(kind_of([&] { cpu::open(missing, {.threads = 1})->plan(program); }), ErrorKind::wrong_format);
  auto reshaped = std::make_shared<Weights>(*weights);
  std::swap(reshaped->tensors["final.linear.weight"].shape[0], reshaped->tensors["final.linear.weight"].shape[1]);
  EXPECT_EQ(kind_of([&] { cpu::open(reshaped, {.threads = 1})->plan(program); }), ErrorKind::wrong_format);
}

TEST_F(Cpu, TooLargeAPlanIsOutOfMemory) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers end the process when memory runs out";
#endif
  const auto weights = random_weights(record(odd_config(), one_icon));
  const auto executor = cpu::open(weights, {.threads = 1});
  const PlanShape huge{.batch = 1u << 30, .conditions = 2, .steps = 5, .guided = true};
  EXPECT_EQ(kind_of([&] { executor->plan(record(odd_config(), huge)); }), ErrorKind::out_of_memory);
}

TEST_F(Cpu, TwoPlansShareAnExecutor) {
  const ModelConfig config = odd_config();
  const Program one = record(config, one_icon), three = record(config, three_icons);
  const auto executor = cpu::open(random_weights(one), {.threads = 2});
  const auto first = executor->plan(one), second = executor->plan(three);
  for (const auto& plan : {first.get(), second.get()}) {
    plan->set_request(request_for(plan->program().shape, config, 0));
    plan->prepare(never_cancelled);
    plan->run(0, 5, std::atomic<bool>{false});
  }
  const std::vector<float> x = first->read(one.x), all = second->read(three.x);
  EXPECT_TRUE(std::equal(x.begin(), x.end(), all.begin()));
}

TEST_F(Cpu, CaptureShowsEveryOutput) {
  const ModelConfig config = odd_config();
  const Program program = record(config, one_icon);
  const auto executor = cpu::open(random_weights(program), {.threads = 2});
  const auto plan = executor->plan(program);
  plan->set_request(request_for(one_icon, config, 0));
  std::vector<std::string> labels;
  std::vector<float> last;
  const Checkpoint note = [&](const Op& op, const Shape& shape, std::span<const float> values) {
    EXPECT_EQ(values.size(), element_count(shape)) << op.label;
    labels.push_back(op.label);
    last.assign(values.begin(), values.end());
  };
  plan->capture(true, 0, note);
  plan->capture(false, 0, note);
  ASSERT_EQ(labels.size(), program.prepare.size() + program.step.size());
  EXPECT_EQ(labels.back(), "to_rgba");
  EXPECT_EQ(last, plan->read(program.rgba));

  plan->prepare(never_cancelled);
  const std::vector<float> captured = plan->read(program.x);
  plan->run(0, 1, std::atomic<bool>{false});
  EXPECT_EQ(plan->read(program.x), captured);
}

TEST_F(Cpu, DescriptionNamesThreadsAndTarget) {
  const DeviceInfo info = cpu::describe(3);
  EXPECT_EQ(info.spec, "cpu");
  EXPECT_NE(info.name.find("3 threads"), std::string::npos) << info.name;
  EXPECT_NE(info.name.find(cpu::target()), std::string::npos) << info.name;
  EXPECT_GT(info.memory_bytes, 0u);
  EXPECT_TRUE(info.problem.empty());
}

}  // namespace
}  // namespace dit::test
