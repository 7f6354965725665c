// SPDX-License-Identifier: MIT
// A model on a device, shared by everyone in the process who asks for the same.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>

#include "engine/model/model.h"
#include "engine/network/conditioning.h"
#include "engine/session/device.h"
#include "engine/session/turns.h"

namespace dit {

struct SessionOptions {
  std::filesystem::path model;         ///< weight file
  std::filesystem::path lexicon = {};  ///< see Model::open; who opens the engine first says
  std::string device = "auto";         ///< see device.h
  DeviceOptions options = {};
};

/// Weights, pipelines and device. Sessions have their own plans on it and take turns.
/// thread  any, once opened
class Engine {
 public:
  /// The engine for these options: the one that somebody in the process holds, unless its file has been replaced since,
  /// or its device is lost, or a new one. Two who ask at the same time get the same.
  /// errors  see Model::open and open_device
  static std::shared_ptr<Engine> open(const SessionOptions& options);

  /// A new engine that nobody shares (tests, benchmarks).
  static std::shared_ptr<Engine> open_own(const SessionOptions& options);

  const Model& model() const noexcept { return *model_; }
  const DeviceInfo& device() const noexcept { return device_.executor->info(); }
  /// Why this device, one sentence.
  const std::string& device_note() const noexcept { return device_.note; }

  // For Session.
  const Conditioning& conditioning() const noexcept { return conditioning_; }
  Executor& executor() noexcept { return *device_.executor; }  ///< only with a Turn
  Turns& turns() noexcept { return turns_; }
  std::atomic<unsigned>& sessions() noexcept { return sessions_; }

 private:
  explicit Engine(const SessionOptions& options);

  std::shared_ptr<const Model> model_;
  OpenedDevice device_;
  Conditioning conditioning_;
  Turns turns_;
  std::atomic<unsigned> sessions_ = 0;
};

}  // namespace dit
