// SPDX-License-Identifier: MIT
// A program that even a software device compiles at once, in every fusion.
#pragma once

#include "engine/session/self_test.h"

namespace dit::test {

/// Noise and a solver's steps alone: two icons of 4×8×8, three steps. What is expected of it is the CPU's.
SelfTest pointwise_test();

}  // namespace dit::test
