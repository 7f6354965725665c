// SPDX-License-Identifier: MIT
// What a batch or a pipeline asks of its plan: shape, conditions, and which rows of the tables each icon reads.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/executor.h"
#include "engine/model/model.h"
#include "engine/model/vocabulary.h"
#include "engine/network/conditioning.h"
#include "engine/session/icon_settings.h"
#include "engine/session/rhythm.h"

namespace dit {

/// Nothing is allocated where settings and batch are those of the time before.
class BatchRequest {
 public:
  /// Both must outlive it.
  BatchRequest(const ModelConfig& config, const Conditioning& conditioning);

  /// Whether it was made for these, whatever the seed: that is the icons' own.
  bool is_for(const IconSettings& settings, std::uint32_t batch, bool pipeline) const;
  /// pipeline  a batch of icons at different steps
  /// errors    settings; nothing has changed then
  void make(const IconSettings& settings, std::uint32_t batch, bool pipeline);

  /// The plan that it needs; one of more steps is as good.
  const PlanShape& shape() const { return shape_; }
  const Request& request() const { return request_; }
  std::vector<IconPoint>& icons() { return request_.icons; }
  bool pipeline() const { return pipeline_; }
  const Rhythm& rhythm() const { return rhythm_; }
  const Label& label() const { return label_; }
  const std::vector<SolverStep>& schedule() const { return schedule_; }

  /// Whether icons have conditions of their own, between two prompts.
  bool blends() const { return !from_label_.empty(); }
  /// Each icon's condition, by its point.
  void blend();

 private:
  void fill_condition(const std::optional<Label>& toward);
  void fill_context(const std::optional<Label>& toward);
  void fill_rows();

  const ModelConfig& config_;
  const Conditioning& conditioning_;
  IconSettings settings_;
  bool pipeline_ = false;
  PlanShape shape_{.batch = 0};  // of nothing yet
  Request request_;
  Rhythm rhythm_;
  Label label_;
  std::vector<SolverStep> schedule_;
  // One vector of cond_dim a step, and one a condition.
  std::vector<float> times_, labels_, from_label_, toward_label_;
  std::vector<float> from_context_, toward_context_;  // [rows of a prompt,cond_dim]
};

}  // namespace dit
