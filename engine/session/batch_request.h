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
#include "engine/session/sketches.h"

namespace dit {

/// The rows of icons of one strength, among those of all.
struct StrengthTable {
  double strength = 1;
  std::uint32_t first = 0, steps = 0;
};

/// Nothing is allocated where settings and batch are those of the time before.
class BatchRequest {
 public:
  /// Both must outlive it.
  BatchRequest(const ModelConfig& config, const Conditioning& conditioning);

  /// Whether it was made for these, whatever the seed: that is the icons' own.
  bool is_for(const IconSettings& settings, const BatchKind& kind) const;
  /// errors  settings; nothing has changed then
  void make(const IconSettings& settings, const BatchKind& kind);

  /// The plan that it needs; one of more steps is as good.
  const PlanShape& shape() const { return shape_; }
  const Request& request() const { return request_; }
  std::vector<IconPoint>& icons() { return request_.icons; }
  const IconSettings& settings() const { return settings_; }
  const BatchKind& kind() const { return kind_; }
  bool pipeline() const { return kind_.pipeline; }
  const Rhythm& rhythm() const { return rhythm_; }
  const Label& label() const { return label_; }
  /// Of the icon that takes most steps; one that takes fewer begins later.
  const std::vector<SolverStep>& schedule() const { return schedule_; }

  /// Whether icons have conditions of their own, between two prompts.
  bool blends() const { return !from_label_.empty(); }
  /// Each icon's condition, by its point.
  void blend();

 private:
  /// Steps to run.
  std::uint32_t length() const;
  void fill_condition(const std::optional<Label>& toward);
  void fill_context(const std::optional<Label>& toward);
  void fill_rows();
  std::uint32_t row_at(const StrengthTable& table, std::uint32_t tick, std::uint32_t icon) const;

  const ModelConfig& config_;
  const Conditioning& conditioning_;
  IconSettings settings_;
  BatchKind kind_;
  PlanShape shape_{.batch = 0};  // of nothing yet
  Request request_;
  Rhythm rhythm_;
  Label label_;
  std::vector<StrengthTable> tables_;
  std::vector<SolverStep> steps_, schedule_;  // of all tables, and of the longest
  // One vector of cond_dim a step, and one a condition.
  std::vector<float> times_, labels_, from_label_, toward_label_;
  std::vector<float> from_context_, toward_context_;  // [rows of a prompt,cond_dim]
};

}  // namespace dit
