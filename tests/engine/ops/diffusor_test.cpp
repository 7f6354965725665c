// SPDX-License-Identifier: MIT
// The favicon diffusor with formula weights, stage by stage and step by step, against tests/golden/diffusor.*, which
// training/golden_diffusor.py computes from the page's maths without this engine.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <string>

#include "engine/model/formats/wts1.h"
#include "engine/model/formats/wts1_model.h"
#include "engine/network/conditioning.h"
#include "engine/network/dit.h"
#include "tests/engine/support/devices_under_test.h"
#include "tests/engine/support/formula_weights.h"
#include "tests/engine/support/golden.h"

namespace dit::test {
namespace {

constexpr std::size_t side = 64, pixels = side * side, tokens = 64, width = 512, head = 128;

/// HWC as the page keeps pictures <-> CHW as the engine does.
std::vector<float> chw(std::span<const float> hwc) {
  std::vector<float> out(hwc.size());
  for (std::size_t i = 0; i < pixels; ++i)
    for (std::size_t c = 0; c < 3; ++c) out[c * pixels + i] = hwc[i * 3 + c];
  return out;
}
std::vector<float> hwc(std::span<const float> chw) {
  std::vector<float> out(chw.size());
  for (std::size_t i = 0; i < pixels; ++i)
    for (std::size_t c = 0; c < 3; ++c) out[i * 3 + c] = chw[c * pixels + i];
  return out;
}

/// [T,3·P²] of a CHW picture: what the last product makes before it becomes one.
std::vector<float> patches(std::span<const float> chw) {
  std::vector<float> out;
  for (std::size_t token = 0; token < tokens; ++token)
    for (std::size_t i = 0; i < 192; ++i)
      out.push_back(chw[i / 64 * pixels + (token / 8 * 8 + i / 8 % 8) * side + token % 8 * 8 + i % 8]);
  return out;
}

/// Columns [first, first + count) of rows of `columns`.
std::vector<float> slice(std::span<const float> values, std::size_t columns, std::size_t first, std::size_t count) {
  std::vector<float> out;
  for (std::size_t row = 0; row < values.size(); row += columns)
    out.insert(out.end(), values.begin() + static_cast<std::ptrdiff_t>(row + first),
               values.begin() + static_cast<std::ptrdiff_t>(row + first + count));
  return out;
}

const Golden& golden() {
  static const Golden file("diffusor");
  return file;
}

/// Largest error over the label's largest magnitude; NaN wins.
double error_of(const std::string& label, std::span<const float> values) {
  const GoldenTensor expected = golden().tensor(label);
  EXPECT_EQ(element_count(expected.shape), values.size()) << label;
  double worst = 0;
  for (std::size_t i = 0; i < expected.values.size(); ++i) {
    const double error = std::fabs(values[i * expected.stride] - expected.values[i]);
    if (!(error <= worst)) worst = error;
  }
  return worst / expected.max;
}

/// The weights once more, with what the probes of the stages inside an op need.
std::shared_ptr<Weights> with_probes(const Weights& weights) {
  auto probed = std::make_shared<Weights>(weights);
  auto owner = std::make_shared<std::pair<std::shared_ptr<const void>, std::vector<std::vector<float>>>>();
  owner->first = weights.owner;
  owner->second = {std::vector<float>(width * width), std::vector<float>(192 * 192), std::vector<float>(tokens * width),
                   std::vector<float>(tokens * 192)};
  for (std::size_t i = 0; i < width; ++i) owner->second[0][i * width + i] = 1;
  for (std::size_t i = 0; i < 192; ++i) owner->second[1][i * 192 + i] = 1;
  const auto add = [&](const char* name, std::size_t index, Shape shape) {
    probed->tensors[name] = {name, DType::f32, std::move(shape), std::as_bytes(std::span(owner->second[index]))};
  };
  add("probe.identity", 0, {width, width});
  add("probe.patches", 1, {192, 192});
  add("probe.nowhere", 2, {tokens, width});
  add("probe.nowhere.patches", 3, {tokens, 192});
  probed->owner = owner;
  return probed;
}

/// A program with further ops that show what the fused ones compute on the way. No op of the network changes.
class ProbedProgram {
 public:
  explicit ProbedProgram(Program program) : program_(std::move(program)) {
    std::vector<Op> ops;
    ops.swap(program_.step);
    for (const Op& op : ops) {
      std::visit([&](const auto& what) { probe(op.label, what); }, op.what);
      program_.step.push_back(op);
    }
  }
  const Program& program() const { return program_; }
  const std::vector<TensorId>& sums() const { return sums_; }

 private:
  TensorId tensor(const std::string& name, TensorKind kind, Shape shape) {
    for (TensorId id = 0; id < program_.tensors.size(); ++id)
      if (program_.tensors[id].name == name) return id;
    program_.tensors.push_back({name, kind, std::move(shape)});
    return static_cast<TensorId>(program_.tensors.size() - 1);
  }

  template <class Other>
  void probe(const std::string&, const Other&) {}
  /// The left side of a product with the identity is itself.
  void probe_norm(const std::string& label, TensorId x, const op::Modulation& modulation, const Norm& norm) {
    program_.step.push_back(
        {label + ".norm",
         op::ModulatedLinear{x, modulation, norm, tensor("probe.identity", TensorKind::weight, {width, width}),
                             no_tensor, Activation::none,
                             tensor("probe", TensorKind::activation, {1, tokens, width})}});
  }
  void probe(const std::string& label, const op::ModulatedLinear& o) { probe_norm(label, o.x, o.modulation, o.norm); }
  void probe(const std::string& label, const op::Final& o) { probe_norm(label, o.x, o.modulation, o.norm); }
  /// What is added to the residual is what a residual of zero becomes.
  void probe(const std::string& label, const op::GatedLinearAdd& o) {
    op::GatedLinearAdd probe = o;
    probe.residual = tensor(label + ".sum", TensorKind::activation, {1, tokens, width});
    sums_.push_back(probe.residual);
    program_.step.push_back({label + ".sum", probe});
  }
  void probe(const std::string& label, const op::Embed& o) {
    op::Embed bare = o;
    bare.position = tensor("probe.nowhere", TensorKind::weight, {tokens, width});
    bare.y = tensor("probe", TensorKind::activation, {1, tokens, width});
    program_.step.push_back({label + ".bare", bare});
    op::Embed gather = o;
    gather.weight = tensor("probe.patches", TensorKind::weight, {192, 192});
    gather.position = tensor("probe.nowhere.patches", TensorKind::weight, {tokens, 192});
    gather.y = tensor("probe.gathered", TensorKind::activation, {1, tokens, 192});
    program_.step.push_back({label + ".patches", gather});
  }

  Program program_;
  std::vector<TensorId> sums_;
};

/// probs[t,u] of one head: attention over values that are the rows of the identity.
std::vector<float> probabilities(Executor& executor, std::span<const float> qkv) {
  Recorder recorder({});
  const TensorId in = recorder.activation("qkv", {1, tokens, 3 * head});
  const TensorId out = recorder.activation("attended", {1, tokens, head});
  recorder.set_condition(recorder.activation("condition", {1, 4}));
  recorder.set_x(recorder.activation("x", {1, 3, 4, 4}));
  recorder.set_rgba(recorder.rgba("rgba", {1, 4, 4, 4}));
  recorder.step("attention", op::Attention{in, no_tensor, no_tensor, 0, 1, out});
  const auto plan = executor.plan(recorder.finish());
  Request request;
  request.icons.resize(1);
  request.condition.resize(4);
  request.modulation_row = request.solver_row = {0};
  request.solver.resize(1);
  plan->set_request(request);
  std::vector<float> values(qkv.begin(), qkv.end());
  for (std::size_t t = 0; t < tokens; ++t)
    for (std::size_t i = 0; i < head; ++i) values[(3 * t + 2) * head + i] = i == t ? 1.f : 0.f;
  plan->write(in, values);
  plan->run(0, 1, never_cancelled);
  return slice(plan->read(out), head, 0, tokens);
}

/// A request whose step s has time t[s] and solver row s + 1: row 0 would draw noise over the given picture.
Request request_for(const Model& model, const std::vector<double>& t, const std::vector<SolverRow>& rows) {
  Request request;
  request.icons.resize(1);
  std::vector<double> times = {0};
  times.insert(times.end(), t.begin(), t.end());
  const Label label;
  request.condition =
      Conditioning(std::shared_ptr<const Model>(std::shared_ptr<void>(), &model)).table(times, std::span(&label, 1));
  request.solver.resize(1);
  request.solver.insert(request.solver.end(), rows.begin(), rows.end());
  for (std::uint32_t s = 0; s <= t.size(); ++s) {
    const auto row = static_cast<std::uint32_t>(std::min<std::size_t>(s + 1, t.size()));
    request.modulation_row.push_back(row);
    request.solver_row.push_back(row);
  }
  return request;
}

class Diffusor : public ExecutorTest {
 protected:
  static std::shared_ptr<const Model> model(const std::string& changes = "") {
    return Model::from(wts1::to_model(formula_weights(), "formula.wts", changes), "formula.wts");
  }

  void check(const std::string& label, std::span<const float> values) {
    const double error = error_of("t31." + label, values);
    EXPECT_LE(error, 1e-5) << label;
    if (!(error <= worst_)) worst_ = error;
    ++checked_;
  }

  /// What an op's output is called in the golden file.
  void check_op(Executor& executor, const Op& op, std::span<const float> values);

  /// Steps of a solver from the given noise; z is added on the host, where the golden file has it from.
  double worst_step(Sampler sampler, std::uint32_t steps, const std::string& label, std::uint32_t last);

  double worst_ = 0;
  int checked_ = 0;
};

void Diffusor::check_op(Executor& executor, const Op& op, std::span<const float> values) {
  if (op.label == "patch_embed.patches") return check("patchify", values);
  if (op.label == "patch_embed.bare") return check("patch_embed", values);
  if (op.label == "patch_embed") return check("pos_add", values);
  if (op.label == "final.norm") return check("final_norm", values);
  if (op.label == "final") {
    check("to_pixels", patches(values));
    return check("eps_hwc", hwc(values));
  }
  if (!op.label.starts_with("blocks.")) return;
  const std::string block = "block_" + op.label.substr(7, 1) + ".", part = op.label.substr(9);
  if (part == "attn.qkv.norm") return check(block + "norm1", values);
  if (part == "attn.qkv") {
    for (std::size_t i = 0; i < 3; ++i) check(block + "qkv"[i], slice(values, 3 * head, i * head, head));
    return check(block + "probs", probabilities(executor, values));
  }
  if (part == "attn.out.sum") return check(block + "attn", values);
  if (part == "attn.out") return check(block + "res1", values);
  if (part == "mlp.fc1.norm") return check(block + "norm2", values);
  if (part == "mlp.fc2.sum") return check(block + "ff", values);
  if (part == "mlp.fc2") return check(block + "out", values);
}

TEST_P(Diffusor, EveryStageOfOnePassMatches) {
  const auto model = this->model();
  const auto weights = with_probes(*model->weights());
  const auto executor = open_executor(GetParam(), weights);
  const ProbedProgram probed(record(model->config(), {.steps = 2}));
  const auto plan = executor->plan(probed.program());
  plan->set_request(request_for(*model, {31}, std::vector<SolverRow>(1)));
  const std::vector<float> x = formula_noise()[0];
  check("input_hwc", x);
  check("pos_emb", read_f32(model->weight("pos_embed")));
  plan->write(plan->program().x, chw(x));
  for (const TensorId sum : probed.sums()) plan->write(sum, std::vector<float>(tokens * width));
  const auto checkpoint = [&](const Op& op, const Shape&, std::span<const float> values) {
    check_op(*executor, op, values);
  };
  plan->capture(true, 0, checkpoint);
  plan->capture(false, 0, checkpoint);
  EXPECT_EQ(checked_, 2 + 3 + 4 * 10 + 3);
  fmt::print("{} stages, worst {:.2e} of the stage's maximum\n", checked_, worst_);
}

double Diffusor::worst_step(Sampler sampler, std::uint32_t steps, const std::string& label, std::uint32_t last) {
  const auto model = this->model();
  const auto executor = open_executor(GetParam(), model->weights());
  std::vector<double> t;
  std::vector<SolverRow> rows;
  std::vector<float> added;
  for (const SolverStep& step : solver_table(model->config(), sampler, steps, 1)) {
    t.push_back(step.t);
    rows.push_back(step.row);
    added.push_back(std::exchange(rows.back().c, 0.f));
  }
  const auto plan = executor->plan(record(model->config(), {.steps = steps + 1}));
  plan->set_request(request_for(*model, t, rows));
  plan->prepare(never_cancelled);
  const auto noise = formula_noise();
  plan->write(plan->program().x, chw(noise[0]));
  double worst = 0;
  const auto note = [&](const std::string& name, std::span<const float> values) {
    const double error = error_of(name, hwc(values));
    EXPECT_LE(error, 1e-5) << name;
    if (!(error <= worst)) worst = error;
  };
  for (std::uint32_t s = 0; s < last; ++s) {
    plan->run(s, s + 1, never_cancelled);
    std::vector<float> x = plan->read(plan->program().x);
    if (added[s] != 0) {
      const std::vector<float> z = chw(noise[s + 1]);
      for (std::size_t i = 0; i < x.size(); ++i) x[i] += added[s] * z[i];
      plan->write(plan->program().x, x);
    }
    note(fmt::format("{}.{}", label, s + 1), x);
    if (label != "x") continue;
    for (TensorId id = 0; id < plan->program().tensors.size(); ++id)
      if (plan->program().tensors[id].name == "prediction") note(fmt::format("eps.{}", s + 1), plan->read(id));
  }
  fmt::print("{}: {} steps, worst {:.2e} of the picture's maximum\n", name_of(sampler), last, worst);
  return worst;
}

TEST_P(Diffusor, ThirtyTwoDdpmStepsMatchThePage) {
  const bool slow = GetParam() == "vulkan" && vulkan_is_software();
  EXPECT_LE(worst_step(Sampler::ddpm, 32, "x", slow ? 2 : 32), 1e-5);
}

TEST_P(Diffusor, FewerStepsOfOtherSolversMatch) {
  const bool slow = GetParam() == "vulkan" && vulkan_is_software();
  EXPECT_LE(worst_step(Sampler::ddim, 8, "ddim", slow ? 1 : 8), 1e-5);
  if (!slow) {
    EXPECT_LE(worst_step(Sampler::dpmpp_2m, 8, "dpmpp", 8), 1e-5);
  }
}

TEST_P(Diffusor, TheNormItWasTrainedWithIsAConfigurationKey) {
  const auto model = this->model(R"({"norm": "torch"})");
  const auto executor = open_executor(GetParam(), model->weights());
  const auto plan = executor->plan(record(model->config(), {.steps = 2}));
  plan->set_request(request_for(*model, {31}, std::vector<SolverRow>(1)));
  plan->prepare(never_cancelled);
  plan->write(plan->program().x, chw(formula_noise()[0]));
  plan->run(0, 1, never_cancelled);
  for (TensorId id = 0; id < plan->program().tensors.size(); ++id) {
    if (plan->program().tensors[id].name != "prediction") continue;
    const std::vector<float> prediction = hwc(plan->read(id));
    EXPECT_LE(error_of("torch.eps_hwc", prediction), 1e-5);
    EXPECT_GT(error_of("t31.eps_hwc", prediction), 1e-4) << "the two norms cannot be told apart";
  }
}

TEST_P(Diffusor, ReadmeSizeRuns) {
  if (!std::getenv("DIT_TEST_LARGE")) GTEST_SKIP() << "94 million parameters take minutes; set DIT_TEST_LARGE=1";
  const auto model = Model::from(formula_weights(readme_sizes), "readme.wts");
  EXPECT_NEAR(static_cast<double>(model->parameter_count()), 94.15e6 + 256 * 768, 0.02e6);
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  const auto executor = open_executor(GetParam(), model->weights());
  const auto plan = executor->plan(record(model->config(), {.steps = 32}));
  const std::chrono::duration<double> opened = Clock::now() - start;
  std::vector<double> t;
  Request request;
  request.icons.resize(1);
  for (const SolverStep& step : solver_table(model->config(), Sampler::ddpm, 32, 1)) {
    t.push_back(step.t);
    request.modulation_row.push_back(static_cast<std::uint32_t>(request.solver.size()));
    request.solver_row.push_back(static_cast<std::uint32_t>(request.solver.size()));
    request.solver.push_back(step.row);
  }
  const Label label;
  request.condition = Conditioning(model).table(t, std::span(&label, 1));
  plan->set_request(request);
  plan->prepare(never_cancelled);
  const std::uint32_t steps = GetParam() == "vulkan" && vulkan_is_software() ? 1 : 32;
  const auto first = Clock::now();
  plan->run(0, steps, never_cancelled);
  const std::chrono::duration<double> ran = Clock::now() - first;
  for (const float value : plan->read(plan->program().x)) ASSERT_TRUE(std::isfinite(value));
  fmt::print("{}: opened in {:.2f} s, {:.2f} s a step over {}\n", executor->info().name, opened.count(),
             ran.count() / steps, steps);
}

INSTANTIATE_TEST_SUITE_P(Executors, Diffusor, ::testing::Values("cpu", "vulkan"),
                         [](const auto& instance) { return instance.param; });

TEST(Diffusor, ConditionOfEveryTimeIsTheLastLayersOutput) {
  const auto model = Model::from(formula_weights(), "formula.wts");
  std::vector<float> out(128);
  Conditioning(model).time(31, out);
  EXPECT_LE(error_of("t31.time_emb", out), 1e-6);
  // With the identity in place of the second layer, the first one and its activation show.
  auto raw = std::make_shared<Weights>(*formula_weights());
  std::vector<float> identity(128 * 128);
  for (std::size_t i = 0; i < 128; ++i) identity[i * 129] = 1;
  raw->tensors["time_mlp.3.weight"].bytes = std::as_bytes(std::span(identity));
  Conditioning(Model::from(raw, "formula.wts")).time(31, out);
  EXPECT_LE(error_of("t31.time_silu", out), 1e-6);
}

}  // namespace
}  // namespace dit::test
