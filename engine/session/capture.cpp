// SPDX-License-Identifier: MIT
#include "engine/session/capture.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "engine/model/prompts/prompt.h"
#include "engine/network/conditioning.h"
#include "engine/network/dit.h"

namespace dit {
namespace {

/// The request of one icon, as Session makes it.
Request request_of(const Conditioning& conditioning, const PlanShape& shape, const Label& label,
                   const std::vector<SolverStep>& table, IconKey icon) {
  Request request;
  std::vector<Label> labels = {label};
  if (shape.guided) labels.push_back(conditioning.null_label());
  std::vector<double> t;
  for (std::uint32_t s = 0; s < shape.steps; ++s) {
    t.push_back(table[s].t);
    request.solver.push_back(table[s].row);
    request.solver_row.push_back(s);
    for (std::uint32_t r = 0; r < shape.rows(); ++r) request.modulation_row.push_back(s * shape.conditions + r);
  }
  request.condition = conditioning.table(t, labels);
  request.icons = {IconPoint{.from = icon}};
  return request;
}

Checkpoint forward_to(const IntermediateSink& sink) {
  return [&sink](const Op& op, const Shape& shape, std::span<const float> values) {
    sink({op.label, kernel_name(op.what), shape, values});
  };
}

/// The "in.*" tensors of a golden file, checked.
class Inputs {
 public:
  Inputs(const Weights& weights, const ModelConfig& config) : weights_(weights), config_(config) {
    x_ = values("in.x");
    const Shape& x = shape("in.x");
    expect(x.size() == 4 && x[0] > 0 && x[1] == config.channels && x[2] == config.height && x[3] == config.width,
           ErrorKind::wrong_format, "inputs 'in.x': expected [rows,{},{},{}], found {}", config.channels, config.height,
           config.width, to_string(x));
    rows_ = x[0];
    for (const float t : values("in.t")) t_.push_back(t);
    expect(t_.size() == rows_, ErrorKind::wrong_format, "inputs 'in.t': expected {} values, found {}", rows_,
           t_.size());
    read_labels();
  }

  std::uint32_t rows() const { return rows_; }
  const std::vector<float>& x() const { return x_; }
  const std::vector<double>& t() const { return t_; }
  const std::vector<Label>& labels() const { return labels_; }

 private:
  const WeightView& find(const std::string& name) const {
    const auto found = weights_.tensors.find(name);
    expect(found != weights_.tensors.end(), ErrorKind::wrong_format, "inputs '{}': expected a tensor, found none",
           name);
    return found->second;
  }
  const Shape& shape(const std::string& name) const { return find(name).shape; }
  std::vector<float> values(const std::string& name) const { return read_f32(find(name)); }

  /// A whole number up to `last`.
  static std::uint32_t row_number(const char* name, float value, std::size_t last) {
    expect(value >= 0 && value <= static_cast<float>(last) && std::floor(value) == value, ErrorKind::wrong_format,
           "inputs '{}': expected rows 0 to {}, found {}", name, last, value);
    return static_cast<std::uint32_t>(value);
  }

  void read_labels() {
    labels_.resize(rows_);
    // A model without styles or words has no such inputs.
    const std::vector<float> styles = config_.styles.empty() ? std::vector<float>(rows_) : values("in.style");
    const std::vector<float> words = config_.words.empty() ? std::vector<float>() : values("in.words");
    expect(styles.size() == rows_ && words.size() % rows_ == 0, ErrorKind::wrong_format,
           "inputs: expected {} styles and as many rows of words, found {} and {} words", rows_, styles.size(),
           words.size());
    const std::size_t width = words.size() / rows_;
    for (std::size_t r = 0; r < rows_; ++r) {
      labels_[r].style = row_number("in.style", styles[r], config_.styles.size());
      for (std::size_t i = 0; i < width; ++i) {
        const std::uint32_t word = row_number("in.words", words[r * width + i], config_.words.size());
        if (word != 0) labels_[r].words.push_back(word);
      }
    }
  }

  const Weights& weights_;
  const ModelConfig& config_;
  std::uint32_t rows_ = 0;
  std::vector<float> x_;
  std::vector<double> t_;
  std::vector<Label> labels_;
};

/// Two steps in the table, so that solver row 1 keeps the noise op away from the given x; only the first is run.
Request request_of(const Conditioning& conditioning, const Inputs& inputs) {
  const std::uint32_t rows = inputs.rows();
  Request request;
  request.icons.resize(rows);
  for (std::uint32_t r = 0; r < rows; ++r) {
    const auto row = conditioning.table(std::span(&inputs.t()[r], 1), std::span(&inputs.labels()[r], 1));
    request.condition.insert(request.condition.end(), row.begin(), row.end());
  }
  request.condition.resize(2 * request.condition.size());
  for (std::uint32_t r = 0; r < 2 * rows; ++r) request.modulation_row.push_back(r);
  request.solver.resize(2);
  request.solver_row.assign(2 * rows, 1);
  return request;
}

}  // namespace

CaptureInfo capture(const std::shared_ptr<const Model>& model, Executor& executor, const CapturePoint& point,
                    const IntermediateSink& sink) {
  const ModelConfig& config = model->config();
  const IconSettings& wanted = point.settings;
  const Sampler sampler = wanted.sampler.value_or(sampler_from_name(config.default_sampler));
  CaptureInfo info{.step = point.step,
                   .steps = wanted.steps.value_or(config.default_steps),
                   .sampler = name_of(sampler),
                   .guidance = wanted.guidance.value_or(config.default_guidance)};
  const auto table = solver_table(config, sampler, info.steps, info.guidance);
  expect(point.step >= 1 && point.step <= info.steps, ErrorKind::settings, "step: expected 1 to {}, found {}",
         info.steps, point.step);
  info.t = table[point.step - 1].t;
  const bool guided = info.guidance != 1;
  const PlanShape shape{.batch = 1, .conditions = guided ? 2u : 1u, .steps = info.steps, .guided = guided};
  const Conditioning conditioning(model);
  const Label label = read_prompt(config, wanted.prompt, wanted.style);
  const auto plan = executor.plan(record(config, shape));
  const Request request = request_of(conditioning, shape, label, table, {wanted.seed, point.index});
  plan->set_request(request);
  sink({"condition", "condition", plan->program().tensor(plan->program().condition).shape, request.condition});
  plan->capture(true, 0, forward_to(sink));
  if (point.step > 1) plan->run(0, point.step - 1, never_cancelled);
  plan->capture(false, point.step - 1, forward_to(sink));
  return info;
}

void capture_inputs(const std::shared_ptr<const Model>& model, Executor& executor, const Weights& inputs,
                    const IntermediateSink& sink) {
  const Inputs given(inputs, model->config());
  const PlanShape shape{.batch = given.rows(), .conditions = given.rows(), .steps = 2, .guided = false};
  const Conditioning conditioning(model);
  const auto plan = executor.plan(record(model->config(), shape));
  const Request request = request_of(conditioning, given);
  plan->set_request(request);
  plan->write(plan->program().x, given.x());
  sink({"in.x", "input", plan->program().tensor(plan->program().x).shape, given.x()});
  // Half of each table belongs to the step that is not run.
  const auto first_half = [&sink](const std::string& name, const char* kernel, Shape half, std::span<const float> all) {
    half[0] /= 2;
    sink({name, kernel, half, all.first(all.size() / 2)});
  };
  first_half("condition", "condition", plan->program().tensor(plan->program().condition).shape, request.condition);
  plan->capture(true, 0, [&](const Op& op, const Shape& table, std::span<const float> values) {
    first_half(op.label, kernel_name(op.what), table, values);
  });
  plan->capture(false, 0, [&](const Op& op, const Shape& out, std::span<const float> values) {
    const bool of_the_network = !std::holds_alternative<op::Noise>(op.what) &&
                                !std::holds_alternative<op::Combine>(op.what) &&
                                !std::holds_alternative<op::ToRgba>(op.what);
    if (of_the_network) sink({op.label, kernel_name(op.what), out, values});
  });
}

}  // namespace dit
