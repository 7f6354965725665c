// SPDX-License-Identifier: MIT
// Which way to compute is right on this device, and what to do instead where one is not.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/session/trial/difference.h"
#include "engine/session/trial/self_test.h"
#include "engine/vulkan/run/schedule.h"

namespace dit::vulkan {

struct Mode {
  Precision precision = Precision::f32;
  Fusion fusion = Fusion::op;
  auto operator<=>(const Mode&) const = default;
};

/// What came of a mode's test.
struct Verdict {
  std::string refusal;           ///< why its kernels do not serve the model, so that nothing was computed; or empty
  std::string failure;           ///< why it computes wrong; empty if it computes right
  PictureDifference difference;  ///< of the pictures, where it computes right
};

/// What a mode makes of an icon: all of its batch are the same.
struct Painted {
  std::vector<float> x;                   ///< [B,C,H,W] after the first step
  std::vector<std::uint8_t> first, last;  ///< [H,W,4] of the batch's first icon and its last, after the last step
};

struct Trusted {
  Mode mode;
  std::string warning;  ///< what failed, by how much, and what is used instead; empty: nothing did
  std::string note;     ///< why an automatic precision is this one; empty where there was no choice
};

/// Paints a SelfTest's icons and remembers what came of it. `shared` and `test` must outlive it.
class Judge {
 public:
  Judge(Shared& shared, const SelfTestSource& test) : shared_(shared), test_(test) {}

  /// Of a plan for so many icons. The plain kernels (f32, op) are not judged, nor is anything where kernels come from
  /// DIT_SHADER_DIR, or where there is no test.
  /// errors  device: it is lost; out_of_memory
  const Verdict& judge(Mode mode, std::uint32_t batch);

  /// `wanted`, or where it computes wrong the next of: single, block, op; then the same in the next of f16-matrix, f16,
  /// f32. The plain kernels are what is left.
  Trusted trusted(Mode wanted);
  /// The first of these precisions whose pictures look the same, in the fusion that the device's table says, unless
  /// `fusion` names one, or in those that stand in for it; f32, of the given fusion, where none does, and where there
  /// is no test.
  Trusted automatic(std::span<const Precision> precisions, Fusion fusion);
  /// What an automatic fusion is for the model's first icon.
  Fusion fusion_of(Precision precision);

 private:
  Verdict try_out(Mode mode, std::uint32_t batch);
  /// Why an automatic precision should not be this one; empty if it may.
  std::string objection_to(Mode mode);
  std::vector<Painted> paint(Mode mode, const SelfTest::Tried& tried);

  Shared& shared_;
  const SelfTestSource& test_;
  std::map<std::pair<Mode, std::uint32_t>, Verdict> verdicts_;
};

}  // namespace dit::vulkan
