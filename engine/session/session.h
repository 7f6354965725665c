// SPDX-License-Identifier: MIT
// The engine's front door, and the only header that plugin/ includes: open a model, render icons, cancel, report.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/model/model.h"
#include "engine/model/model_path.h"
#include "engine/model/vocabulary.h"
#include "engine/network/noise.h"
#include "engine/network/solver.h"
#include "engine/session/engine.h"

namespace dit {

/// What a user asks of an icon. Unset values take the model's defaults.
struct IconSettings {
  std::string prompt;
  std::string style;
  /// A walk's other end: each icon's condition lies between the two prompts by its IconPoint::blend.
  std::optional<std::string> toward_prompt;
  /// What parse_label() made of the two prompts with the style, from who has called it already; else begin() does.
  std::shared_ptr<const Label> label, toward_label;
  std::uint64_t seed = 0;  ///< read by the begin() that counts icons itself; an IconPoint has its own seeds
  std::optional<std::uint32_t> steps;
  std::optional<Sampler> sampler;
  std::optional<double> guidance;  ///< 1 = no second row; others cost a batch of two
  bool operator==(const IconSettings&) const = default;
};

/// The n-th icon (from 0) of a pipeline.
using IconSource = std::function<IconPoint(std::uint64_t)>;

/// Icons on an engine, a batch at a time. Sessions of one engine take turns: a step each on a processor, a batch each
/// on a GPU. thread  begin, advance, next_icon and read from one thread at a time; cancel and resume from any
class Session {
 public:
  static std::unique_ptr<Session> open(std::shared_ptr<Engine> engine);
  /// On the process's shared engine for these options. errors: see Model::open and open_device
  static std::unique_ptr<Session> open(const SessionOptions& options);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const std::shared_ptr<Engine>& engine() const noexcept;
  const Model& model() const noexcept;
  const DeviceInfo& device() const noexcept;
  /// Why this device, one sentence.
  const std::string& device_note() const noexcept;

  /// Starts a batch, one icon for each point (1 to 1024). Nothing is allocated if the last batch had the same size,
  /// guidance mode and no fewer steps; conditioning runs only if the settings changed, or on the way to another prompt.
  /// errors  Cancelled, settings, out_of_memory, device
  void begin(const IconSettings& settings, std::span<const IconPoint> icons);
  /// Starts icons first_index … first_index + count − 1 of settings.seed.
  void begin(const IconSettings& settings, std::uint64_t first_index, std::uint32_t count);

  /// Runs on until `step` steps are done (1 … steps()). Where they are taken one by one the device is a step ahead
  /// while the last one's pictures are read. After a failure the batch starts again. errors: Cancelled, device;
  /// settings inside a pipeline
  void advance(std::uint32_t step);

  /// Has the device go on with what the next begin() will ask for, as soon as it is done with this batch, if it works
  /// beside the host; read() gives the batch begun last until the next one's advance(). For a stream: between begin()
  /// and the advance() that does all steps at once. A begin() or advance() that asks for something else is as right,
  /// and only loses the work. Never waits for the device: it does nothing where anything but the icons changes, between
  /// two steps of a batch, in a pipeline, or on the CPU. errors  Cancelled, device
  void prefetch(const IconSettings& settings, std::span<const IconPoint> icons);

  /// Starts a pipeline: a batch of `slots` icons, each at a different step, so that in the steady state an icon is
  /// finished every ⌈steps / slots⌉ steps. Pictures are those of begin(). Ended by begin(), or by another pipeline.
  /// slots   1 … 1024; more than the steps are no use and are not taken
  /// errors  Cancelled, out_of_memory, device; settings, also for a toward_prompt
  void begin_pipeline(const IconSettings& settings, IconSource source, std::uint32_t slots);
  /// Renders until the next icon, in the order of the source, is finished. Returns its place for read(), valid until
  /// the next call. errors  Cancelled or device (the pipeline has then ended); settings if there is no pipeline
  std::uint32_t next_icon();

  std::uint32_t step() const noexcept;   ///< steps done of the batch begun
  std::uint32_t steps() const noexcept;  ///< steps of the icons begun
  /// The label the last begin() rendered; its `unknown` words deserve a warning.
  const Label& label() const noexcept;
  /// The table the last begin() follows, one entry a step.
  const std::vector<SolverStep>& schedule() const noexcept;
  /// Time on the device itself of the last advance() or next_icon(), if the device can tell.
  std::optional<std::chrono::nanoseconds> device_time() const;

  /// Icon `icon` of the batch as of step(), or of the batch before where step() is 0. out: height · width · 4 bytes,
  /// RGBA, straight alpha.
  /// errors  settings if out has another size or icon ≥ count
  void read(std::uint32_t icon, std::span<std::uint8_t> out);

  /// Ends a running begin(), advance() or next_icon() within one step; it and later ones throw Cancelled until
  /// resume().
  void cancel() noexcept;
  void resume() noexcept;

 private:
  Session();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dit
