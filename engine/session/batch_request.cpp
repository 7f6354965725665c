// SPDX-License-Identifier: MIT
#include "engine/session/batch_request.h"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "engine/model/prompts/prompt.h"

namespace dit {
namespace {

/// Settings with every default of the model filled in.
struct Resolved {
  Label label;
  std::optional<Label> toward;
  std::uint32_t steps = 0;
  Sampler sampler = Sampler::euler;
  double guidance = 1;
};

Resolved resolve(const ModelConfig& config, const IconSettings& settings) {
  const auto read = [&](const std::shared_ptr<const Label>& label, const std::string& prompt) {
    return label ? *label : read_prompt(config, prompt, settings.style);
  };
  Resolved resolved = {.label = read(settings.label, settings.prompt),
                       .toward = {},
                       .steps = settings.steps.value_or(config.default_steps),
                       .sampler = settings.sampler ? *settings.sampler : sampler_from_name(config.default_sampler),
                       .guidance = settings.guidance.value_or(config.default_guidance)};
  if (settings.toward_prompt) resolved.toward = read(settings.toward_label, *settings.toward_prompt);
  return resolved;
}

bool differ_only_in_seed(const IconSettings& a, const IconSettings& b) {
  return a.prompt == b.prompt && a.style == b.style && a.toward_prompt == b.toward_prompt && a.steps == b.steps &&
         a.sampler == b.sampler && a.guidance == b.guidance;
}

}  // namespace

BatchRequest::BatchRequest(const ModelConfig& config, const Conditioning& conditioning)
    : config_(config), conditioning_(conditioning) {}

bool BatchRequest::is_for(const IconSettings& settings, std::uint32_t batch, bool pipeline) const {
  return shape_.batch == batch && pipeline_ == pipeline && differ_only_in_seed(settings_, settings);
}

void BatchRequest::make(const IconSettings& settings, std::uint32_t batch, bool pipeline) {
  Resolved resolved = resolve(config_, settings);
  // Checked before a plan is made, so that a bad number of steps never sizes memory.
  schedule_ = solver_table(config_, resolved.sampler, resolved.steps, resolved.guidance);
  settings_ = settings;
  pipeline_ = pipeline;
  label_ = std::move(resolved.label);
  rhythm_ = {.steps = resolved.steps, .places = batch};
  const bool guided = resolved.guidance != 1;
  shape_ = {.batch = batch,
            .conditions = (resolved.toward ? batch : 1u) + (guided ? 1u : 0u),
            .steps = pipeline ? rhythm_.length() : resolved.steps,
            .guided = guided};
  fill_condition(resolved.toward);
  fill_rows();
}

/// Time and label vectors, and the condition of every step made of them.
void BatchRequest::fill_condition(const std::optional<Label>& toward) {
  const std::size_t width = config_.cond_dim;
  const auto row = [width](std::vector<float>& rows, std::size_t i) {
    return std::span(rows).subspan(i * width, width);
  };
  times_.resize(schedule_.size() * width);
  for (std::size_t s = 0; s < schedule_.size(); ++s) conditioning_.time(schedule_[s].t, row(times_, s));
  labels_.resize(shape_.conditions * width);
  conditioning_.label(label_, row(labels_, 0));
  if (shape_.guided) conditioning_.label(conditioning_.null_label(), row(labels_, shape_.conditions - 1));
  from_label_.clear();
  if (toward) {
    from_label_.assign(labels_.begin(), labels_.begin() + static_cast<std::ptrdiff_t>(width));
    toward_label_.resize(width);
    conditioning_.label(*toward, toward_label_);
    for (std::uint32_t icon = 1; icon < shape_.batch; ++icon)
      std::ranges::copy(from_label_, row(labels_, icon).begin());
  }
  request_.condition.resize(schedule_.size() * shape_.conditions * width);
  conditioning_.table(times_, labels_, request_.condition);
}

void BatchRequest::fill_rows() {
  request_.icons.assign(shape_.batch, {});
  request_.solver.clear();
  for (const SolverStep& entry : schedule_) request_.solver.push_back(entry.row);
  request_.modulation_row.clear();
  request_.solver_row.clear();
  for (std::uint32_t l = 0; l < shape_.steps; ++l) {
    for (std::uint32_t r = 0; r < shape_.rows(); ++r) {
      const std::uint32_t icon = r % shape_.batch;
      const std::uint32_t s = pipeline_ ? std::min(rhythm_.age(l, icon), rhythm_.steps - 1) : l;
      const std::uint32_t own = blends() ? icon : 0;
      request_.modulation_row.push_back(s * shape_.conditions + (r < shape_.batch ? own : shape_.conditions - 1));
      if (r < shape_.batch) request_.solver_row.push_back(s);
    }
  }
}

void BatchRequest::blend() {
  const std::size_t width = config_.cond_dim;
  for (std::uint32_t icon = 0; icon < shape_.batch; ++icon) {
    blend_labels(from_label_, toward_label_, request_.icons[icon].blend,
                 std::span(labels_).subspan(icon * width, width));
  }
  conditioning_.table(times_, labels_, request_.condition);
}

}  // namespace dit
