// SPDX-License-Identifier: MIT
// The loops that a plan is made of.
#pragma once

#include "engine/cpu/kernels/attention.h"
#include "engine/cpu/kernels/conv.h"
#include "engine/cpu/kernels/gemm.h"
#include "engine/cpu/kernels/norm.h"
#include "engine/cpu/kernels/ops.h"
