// SPDX-License-Identifier: MIT
// A small network with a known result, by which a fast way to compute is judged before a user's icons are trusted to
// it.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "engine/executor.h"
#include "engine/model/weights.h"

namespace dit {

/// Two icons of three steps by a network of two blocks: tokens, heads and widths that fill no tile.
struct SelfTest {
  std::shared_ptr<const Weights> weights;
  Program program;
  Request request;
  std::vector<float> expected;  ///< x after all steps, by the reference

  /// What has passed in this process and need not be tried again.
  struct Passed {
    std::mutex mutex;
    std::set<std::string> modes;
  };
  std::shared_ptr<Passed> passed = std::make_shared<Passed>();
};

/// Gives the test when one is needed, since making it takes a moment.
using SelfTestSource = std::function<const SelfTest&()>;

/// reference  opens the executor that is taken at its word
SelfTest make_self_test(const std::function<std::unique_ptr<Executor>(std::shared_ptr<const Weights>)>& reference);

/// Largest difference from what is expected over its largest value; infinite where something is no number.
double error_of(const SelfTest& test, std::span<const float> x);

/// What error_of() may be in a precision; see self_test.cpp.
double self_test_bound(Precision precision) noexcept;

}  // namespace dit
