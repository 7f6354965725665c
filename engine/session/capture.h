// SPDX-License-Identifier: MIT
// Every intermediate tensor of one step, op by op, on any executor: for debugging and for matching two executors.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "engine/executor.h"
#include "engine/model/model.h"
#include "engine/session/session.h"

namespace dit {

/// What to capture: icon `index` of the settings, at one step.
struct CapturePoint {
  IconSettings settings;
  std::uint64_t index = 0;
  std::uint32_t step = 1;  ///< 1 … steps
};

/// What was captured, with every default filled in.
struct CaptureInfo {
  std::uint32_t step = 1, steps = 1;
  double t = 0;  ///< what the network was told
  std::string sampler;
  double guidance = 1;
};

/// One output of an op; `label` says where in the network ("blocks.0.attn.qkv"), `kernel` which op
/// ("modulated_linear").
struct Intermediate {
  std::string label;
  std::string kernel;
  Shape shape;
  std::span<const float> values;
};
using IntermediateSink = std::function<void(const Intermediate&)>;

/// Paints up to the step and shows it: "condition", "context" where there is one, the modulation tables and the keys
/// and values of prompts, then the step's ops in order. Tables hold every step. With guidance the conditional rows come
/// first.
/// errors  settings (as Session::begin, and a step that is not there), Cancelled, out_of_memory, device
CaptureInfo capture(const std::shared_ptr<const Model>& model, Executor& executor, const CapturePoint& point,
                    const IntermediateSink& sink);

/// One forward pass over given inputs, the "in.*" tensors of a golden file: x [R,C,H,W], t [R], style [R], words [R,W]
/// with 0 for none. Labels are those that goldens use; tables hold this pass alone.
/// errors  wrong_format (an input is missing, misshapen or out of range), out_of_memory, device
void capture_inputs(const std::shared_ptr<const Model>& model, Executor& executor, const Weights& inputs,
                    const IntermediateSink& sink);

}  // namespace dit
