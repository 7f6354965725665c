// SPDX-License-Identifier: MIT
// The diffusion transformer, written once (Peebles & Xie 2022, arXiv 2212.09748, adaLN-Zero).
#pragma once

#include "engine/model/model.h"
#include "engine/network/recorder.h"

namespace dit {

/// Records the conditioning and the step of `config` for `shape`. Pure; allocates nothing but the Program.
Program record(const ModelConfig& config, const PlanShape& shape);

}  // namespace dit
