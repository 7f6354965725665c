// SPDX-License-Identifier: MIT
#include "engine/session/batch_request.h"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "engine/error.h"
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

/// Modulation rows of a plan for icons of several strengths: at some 50 KB each of the shipped model they take 800 MB.
constexpr std::size_t most_rows = 16384;

struct Tables {
  std::vector<StrengthTable> tables;
  std::vector<SolverStep> steps;  // one table after the other
};

/// One for each strength that occurs.
Tables make_tables(const ModelConfig& config, const Resolved& resolved, const std::vector<double>& strengths) {
  Tables result;
  for (const double strength : strengths) {
    if (std::ranges::find(result.tables, strength, &StrengthTable::strength) != result.tables.end()) continue;
    const auto table = solver_table(config, resolved.sampler, resolved.steps, resolved.guidance, strength);
    const auto first = static_cast<std::uint32_t>(result.steps.size());
    result.tables.push_back({strength, first, static_cast<std::uint32_t>(table.size())});
    for (const SolverStep& step : table) result.steps.emplace_back(step).row.first = first;
  }
  return result;
}

bool differ_only_in_seed(const IconSettings& a, const IconSettings& b) {
  return a.prompt == b.prompt && a.style == b.style && a.toward_prompt == b.toward_prompt && a.steps == b.steps &&
         a.sampler == b.sampler && a.guidance == b.guidance;
}

}  // namespace

BatchRequest::BatchRequest(const ModelConfig& config, const Conditioning& conditioning)
    : config_(config), conditioning_(conditioning) {}

bool BatchRequest::is_for(const IconSettings& settings, const BatchKind& kind) const {
  return shape_.batch > 0 && kind_ == kind && differ_only_in_seed(settings_, settings);
}

void BatchRequest::make(const IconSettings& settings, const BatchKind& kind) {
  Resolved resolved = resolve(config_, settings);
  const auto batch = static_cast<std::uint32_t>(kind.strengths.size());
  const bool guided = resolved.guidance != 1;
  const std::uint32_t conditions = (resolved.toward ? batch : 1u) + (guided ? 1u : 0u);
  // Checked before a plan is made, so that a bad number of steps never sizes memory.
  Tables result = make_tables(config_, resolved, kind.strengths);
  expect(result.tables.size() == 1 || result.steps.size() * conditions <= most_rows, ErrorKind::settings,
         "batch: expected strengths of at most {} steps and conditions in all, found {} strengths with {} steps and {} "
         "conditions",
         most_rows, result.tables.size(), result.steps.size(), conditions);
  tables_ = std::move(result.tables);
  steps_ = std::move(result.steps);
  const StrengthTable& longest = *std::ranges::max_element(tables_, {}, &StrengthTable::steps);
  schedule_.assign(steps_.begin() + longest.first, steps_.begin() + longest.first + longest.steps);
  settings_ = settings;
  kind_ = kind;
  label_ = std::move(resolved.label);
  rhythm_ = {.steps = longest.steps, .places = batch};
  shape_ = {.batch = batch,
            .conditions = conditions,
            .steps = std::max(static_cast<std::uint32_t>(steps_.size()), length()),
            .guided = guided,
            .sketches = kind.sketches,
            .masks = kind.masks};
  fill_condition(resolved.toward);
  fill_context(resolved.toward);
  fill_rows();
}

/// Time and label vectors, and the condition of every step made of them.
void BatchRequest::fill_condition(const std::optional<Label>& toward) {
  const std::size_t width = config_.cond_dim;
  const auto row = [width](std::vector<float>& rows, std::size_t i) {
    return std::span(rows).subspan(i * width, width);
  };
  times_.resize(steps_.size() * width);
  for (std::size_t s = 0; s < steps_.size(); ++s) conditioning_.time(steps_[s].t, row(times_, s));
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
  request_.condition.resize(steps_.size() * shape_.conditions * width);
  conditioning_.table(times_, labels_, request_.condition);
}

/// The prompt of every condition, where the model shows it to attention.
void BatchRequest::fill_context(const std::optional<Label>& toward) {
  const std::size_t size = conditioning_.context_size();
  request_.context.resize(shape_.conditions * size);
  if (size == 0) return;
  from_context_.resize(size);
  conditioning_.context(label_, from_context_);
  for (std::uint32_t k = 0; k < shape_.conditions; ++k)
    std::ranges::copy(from_context_, std::span(request_.context).subspan(k * size, size).begin());
  if (shape_.guided) conditioning_.context(conditioning_.null_label(), std::span(request_.context).last(size));
  if (!toward) return;
  toward_context_.resize(size);
  conditioning_.context(*toward, toward_context_);
}

std::uint32_t BatchRequest::length() const { return kind_.pipeline ? rhythm_.length() : rhythm_.steps; }

/// A batch's icons are done together: one of fewer steps than others begins again and again until it is its time.
std::uint32_t BatchRequest::row_at(const StrengthTable& table, std::uint32_t tick, std::uint32_t icon) const {
  if (kind_.pipeline) return std::min(rhythm_.age(tick, icon), rhythm_.steps - 1);
  const std::uint32_t waiting = rhythm_.steps - table.steps;
  return table.first + (tick > waiting ? tick - waiting : 0);
}

void BatchRequest::fill_rows() {
  request_.icons.assign(shape_.batch, {});
  request_.solver.clear();
  for (const SolverStep& entry : steps_) request_.solver.push_back(entry.row);
  request_.modulation_row.clear();
  request_.solver_row.clear();
  for (std::uint32_t l = 0; l < length(); ++l) {
    for (std::uint32_t r = 0; r < shape_.rows(); ++r) {
      const std::uint32_t icon = r % shape_.batch;
      const StrengthTable& table = *std::ranges::find(tables_, kind_.strengths[icon], &StrengthTable::strength);
      const std::uint32_t s = row_at(table, l, icon);
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
    if (request_.context.empty()) continue;
    blend_contexts(from_context_, toward_context_, width, request_.icons[icon].blend,
                   std::span(request_.context).subspan(icon * from_context_.size(), from_context_.size()));
  }
  conditioning_.table(times_, labels_, request_.condition);
}

}  // namespace dit
