// SPDX-License-Identifier: MIT
// The whole network, layer by layer, against the PyTorch activations in tests/golden.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "engine/model/model.h"
#include "engine/network/conditioning.h"
#include "engine/network/dit.h"
#include "tests/engine/support/devices_under_test.h"
#include "tests/engine/support/golden.h"

namespace dit::test {
namespace {

std::shared_ptr<const Model> open_model(const std::string& name) {
  return Model::open(name.starts_with("icons") ? std::string(DIT_SOURCE_DIR) + "/models/" + name + ".safetensors"
                                               : golden_path(name + ".safetensors"));
}

/// A golden model on an executor, fed with the golden inputs.
class GoldenRun {
 public:
  GoldenRun(const std::string& name, const std::string& kind)
      : golden_(name),
        model_(open_model(name)),
        conditioning_(model_),
        executor_(open_executor(kind, model_->weights())),
        fused_(kind.starts_with("vulkan_")) {}

  /// Every layer of one forward pass over rows of different times, words and styles.
  double worst_layer_error();
  /// Every image of eight guided Euler steps.
  double worst_step_error();

 private:
  Label label(std::size_t row) const {
    Label label;
    label.words = golden_.words(row);
    label.style = static_cast<std::uint32_t>(golden_.tensor("in.style").values.at(row));
    return label;
  }
  double compare(const std::string& name, std::span<const float> values) const;
  void note(double error, const std::string& where) {
    // NaN must win, so the comparison is turned round.
    if (!(error <= worst_)) {
      worst_ = error;
      where_ = where;
    }
  }

  Golden golden_;
  std::shared_ptr<const Model> model_;
  Conditioning conditioning_;
  std::unique_ptr<Executor> executor_;
  bool fused_ = false;
  double worst_ = 0;
  std::string where_;
};

/// Largest error over the layer's largest magnitude.
double GoldenRun::compare(const std::string& name, std::span<const float> values) const {
  const GoldenTensor golden = golden_.tensor(name);
  EXPECT_EQ(element_count(golden.shape), values.size()) << name;
  double worst = 0;
  for (std::size_t i = 0; i < golden.values.size(); ++i) {
    const double error = std::fabs(values[i * golden.stride] - golden.values[i]);
    if (!(error <= worst)) worst = error;
  }
  return worst / golden.max;
}

double GoldenRun::worst_layer_error() {
  const GoldenTensor t = golden_.tensor("in.t");
  const auto rows = static_cast<std::uint32_t>(t.values.size());
  // Two steps in the table, so that solver row 1 keeps the noise op away from the golden input.
  const PlanShape shape = {.batch = rows, .conditions = rows, .steps = 2, .guided = false};
  const auto plan = executor_->plan(record(model_->config(), shape));
  std::vector<Label> labels;
  Request request;
  request.icons.resize(rows);
  for (std::uint32_t row = 0; row < rows; ++row) {
    const double time = t.values[row];
    labels.push_back(label(row));
    const auto condition = conditioning_.table(std::span(&time, 1), std::span(&labels.back(), 1));
    request.condition.insert(request.condition.end(), condition.begin(), condition.end());
  }
  const std::size_t half = request.condition.size();
  request.condition.resize(2 * half);
  request.context = conditioning_.contexts(labels);
  for (std::uint32_t row = 0; row < 2 * rows; ++row) request.modulation_row.push_back(row);
  request.solver.resize(2);
  request.solver_row.assign(2 * rows, 1);
  plan->set_request(request);
  note(compare("condition", std::span(request.condition).first(half)), "condition");
  if (!request.context.empty()) note(compare("context", request.context), "context");
  plan->write(plan->program().x, golden_.tensor("in.x").values);

  std::size_t compared = 0;
  const auto checkpoint = [&](const Op& op, const Shape&, std::span<const float> values) {
    if (!golden_.has(op.label)) return;
    // Modulation tables hold the unused second step too.
    const bool table = op.label.ends_with("modulation");
    note(compare(op.label, table ? values.first(values.size() / 2) : values), op.label);
    ++compared;
  };
  plan->capture(true, 0, checkpoint);
  plan->capture(false, 0, checkpoint);
  // A fused step shows fewer: what never leaves a kernel cannot be captured.
  const ModelConfig& config = model_->config();
  const std::size_t of_parts = (config.context ? config.depth : 0) + (config.detail ? config.detail->layers : 0);
  const std::size_t expected = 6 * config.depth + 3 + of_parts;
  EXPECT_GE(compared, fused_ ? expected - config.depth : expected) << "labels that no op carries";
  EXPECT_LE(compared, expected);
  ::testing::Test::RecordProperty("worst", fmt::format("{:.2e} at {}", worst_, where_));
  fmt::print("{:.2e} of the layer's maximum, at {}\n", worst_, where_);
  return worst_;
}

double GoldenRun::worst_step_error() {
  const auto table = solver_table(model_->config(), Sampler::euler, 8, 2.5);
  const PlanShape shape = {.batch = 1, .conditions = 2, .steps = 9, .guided = true};
  const auto plan = executor_->plan(record(model_->config(), shape));
  std::vector<double> t = {0};
  Request request;
  request.icons.resize(1);
  // Row 0 of the table would draw noise over the golden input; the golden rows are 1 to 8.
  request.solver.resize(1);
  for (const SolverStep& step : table) {
    t.push_back(step.t);
    request.solver.push_back(step.row);
  }
  const Label labels[] = {label(0), conditioning_.null_label()};
  request.condition = conditioning_.table(t, labels);
  request.context = conditioning_.contexts(labels);
  for (std::uint32_t s = 1; s <= 9; ++s) {
    const std::uint32_t row = std::min(s, 8u);
    request.solver_row.push_back(row);
    request.modulation_row.insert(request.modulation_row.end(), {2 * row, 2 * row + 1});
  }
  plan->set_request(request);
  plan->prepare(never_cancelled);
  std::vector<float> x = golden_.tensor("in.x").values;
  x.resize(element_count(plan->program().tensor(plan->program().x).shape));
  plan->write(plan->program().x, x);
  const std::atomic<bool> cancel{false};
  for (std::uint32_t s = 0; s < 8; ++s) {
    plan->run(s, s + 1, cancel);
    const std::string name = "sample." + std::to_string(s + 1);
    note(compare(name, plan->read(plan->program().x)), name);
  }
  fmt::print("{:.2e} of the image's maximum, at {}\n", worst_, where_);
  return worst_;
}

class Network : public ExecutorTest {};

TEST_P(Network, EveryLayerMatchesPyTorch) {
  const double bound = GetParam() == "cpu" ? 1e-5 : 1e-4;
  for (const std::string name : {"tiny", "tiny-eps", "tiny-detail", "icons", "icons-small"}) {
    // On a software Vulkan device the shipped model costs seconds a step, and one step is what this takes.
    if (name == "icons" && GetParam() == "vulkan_block_f32" && vulkan_is_software()) continue;
    EXPECT_LE(GoldenRun(name, GetParam()).worst_layer_error(), bound) << name;
  }
}

TEST_P(Network, EightStepsMatchPyTorch) {
  for (const std::string name : {"tiny", "tiny-detail"})
    EXPECT_LE(GoldenRun(name, GetParam()).worst_step_error(), 1e-4) << name;
  if (GetParam() != "cpu" && vulkan_is_software()) return;
  EXPECT_LE(GoldenRun("icons", GetParam()).worst_step_error(), 1e-3);
}

INSTANTIATE_TEST_SUITE_P(Executors, Network, ::testing::Values("cpu", "vulkan", "vulkan_block_f32"),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace dit::test
