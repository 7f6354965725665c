// SPDX-License-Identifier: MIT
// What Precision::automatic is on the CPU: int16 where the processor has it and icons of the model look like those of
// f32.
#pragma once

#include <memory>
#include <string>

#include "engine/executor.h"
#include "engine/files/cache_folder.h"
#include "engine/session/trial/self_test.h"

namespace dit {

struct FastCpu {
  std::unique_ptr<Executor> executor;
  std::string note;  ///< why this precision; empty where the processor leaves no choice
};

/// Opens the CPU in int16, or in f32 where the processor has no int16, icons differ, or painting them would keep
/// somebody waiting (models of many operations).
/// key      names the model's file: the difference is kept by it in the folder, so that icons are painted once
/// options  automatic; threads and expand_weights as they are
/// errors   those of cpu::open in f32
FastCpu open_fast_cpu(const std::shared_ptr<const Weights>& weights, DeviceOptions options, const SelfTestSource& test,
                      const std::string& key, const CacheFolder& folder);

}  // namespace dit
