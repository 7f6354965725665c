// SPDX-License-Identifier: MIT
// A program that even a software device compiles at once, in every fusion.
#pragma once

#include "engine/session/trial/self_test.h"

namespace dit::test {

/// Noise, a solver's steps and the picture: two icons of 4×8×8 that are the same, three steps, whatever batch is asked
/// for. What is known of it is the CPU's.
SelfTest pointwise_test();

}  // namespace dit::test
