// SPDX-License-Identifier: MIT
// The engine's front door, and the only header that plugin/ includes: open a model, render icons, cancel, report.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/device.h"
#include "engine/error.h"
#include "engine/model.h"
#include "engine/model_path.h"
#include "engine/noise.h"
#include "engine/sampler.h"
#include "engine/vocabulary.h"

namespace dit {

class Conditioning;

struct SessionOptions {
  std::filesystem::path model;  ///< weight file
  std::string device = "auto";  ///< see device.h
  unsigned threads = 0;         ///< CPU executor; 0 = one per available core
};

/// What a user asks of an icon. Unset values take the model's defaults.
struct IconSettings {
  std::string prompt;
  std::string style;
  std::uint64_t seed = 0;
  std::optional<std::uint32_t> steps;
  std::optional<Sampler> sampler;
  std::optional<double> guidance;  ///< 1 = no second row; others cost a batch of two
  bool operator==(const IconSettings&) const = default;
};

/// A model on a device, rendering one batch of icons at a time.
/// thread  begin, advance and read from one thread at a time; cancel and resume from any
class Session {
 public:
  /// errors  see Model::open and open_device
  static std::unique_ptr<Session> open(const SessionOptions& options);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const Model& model() const noexcept;
  const DeviceInfo& device() const noexcept;
  /// Why this device, one sentence.
  const std::string& device_note() const noexcept;

  /// Starts icons first_index … first_index + count − 1. Nothing is allocated if the last call asked for the same
  /// count, steps and guidance mode; conditioning runs only if anything but the seed changed.
  /// errors  Cancelled, settings, out_of_memory, device
  void begin(const IconSettings& settings, std::uint64_t first_index, std::uint32_t count);

  /// Runs on until `step` steps are done (1 … steps()). errors: Cancelled, device
  void advance(std::uint32_t step);

  std::uint32_t step() const noexcept;   ///< steps done
  std::uint32_t steps() const noexcept;  ///< steps of the icons begun
  /// The label the last begin() rendered; its `unknown` words deserve a warning.
  const Label& label() const noexcept;
  /// The table the last begin() follows, one entry a step.
  const std::vector<SolverStep>& schedule() const noexcept;

  /// Icon `first_index + icon` as of step(). out: height · width · 4 bytes, RGBA, straight alpha.
  /// errors  settings if out has another size or icon ≥ count
  void read(std::uint32_t icon, std::span<std::uint8_t> out);

  /// Ends a running begin() or advance() within one step; it and later ones throw Cancelled until resume().
  void cancel() noexcept;
  void resume() noexcept;

 private:
  Session();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dit
