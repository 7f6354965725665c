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
#include "engine/model/prompts/prompt.h"
#include "engine/model/vocabulary.h"
#include "engine/network/noise.h"
#include "engine/network/solver.h"
#include "engine/session/engine.h"
#include "engine/session/icon_settings.h"

namespace dit {

/// How a batch's steps will be asked for.
enum class Pace {
  whole,         ///< one advance() for all: a GPU is given all steps at once
  step_by_step,  ///< an advance() for each, and its pictures: the device is a step further than the one that is read
};

/// The n-th icon (from 0) of a pipeline. Its sketch must stay until the next call.
using IconSource = std::function<IconPoint(std::uint64_t)>;

/// What all icons of a pipeline have in common besides the settings.
struct PipelineSketches {
  double strength = 1;  ///< see Sketch::effective_strength; below 1 every icon has a sketch
  bool masks = false;   ///< whether some icon has a mask
};

/// Icons on an engine, a batch at a time. Sessions of one engine take turns: a step each on a processor, a batch each
/// on a GPU. thread  cancel and resume from any; all others from one thread at a time
///
/// An icon may begin with a sketch, a picture of the model's size (IconPoint::sketch): new ones with every begin() cost
/// two copies of its bytes. The strength says how many of the steps are run (see solver_table) and where the icon
/// starts; a batch may mix strengths, and icons without a sketch, and is done when the longest icon is: one of fewer
/// steps begins later, and until then step() shows its first. Its picture is that of a batch of its own.
///   strength 1 without a mask: the icon without a sketch, to the byte
///   strength 0: the sketch, to the byte where its alpha is not 0, or one less of a model that rounds down
///   mask: after each step, what is not to be painted is the sketch at that step's noise, and at the end the sketch
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
  /// Never waits for the device where only the icons are new; other strengths are another condition. Sketches are
  /// copied. Ends an announcement, and work begun for it is lost.
  /// pace    what advance() will ask for; anything else gives the same pictures, later
  /// errors  Cancelled, settings, out_of_memory, device
  void begin(const IconSettings& settings, std::span<const IconPoint> icons, Pace pace = Pace::whole);
  /// Starts icons first_index … first_index + count − 1 of settings.seed.
  void begin(const IconSettings& settings, std::uint64_t first_index, std::uint32_t count, Pace pace = Pace::whole);

  /// Says which icons begin_announced() will start: as many as this batch has, of its settings and pace. At a
  /// whole pace a device beside the host then goes on with them by itself as soon as it is done with this batch, if
  /// its icons have the same strengths and as much as one mask; sketches are copied;
  /// best said before the advance(). Waits for nothing but work on the device that nobody wants any more. Once a
  /// batch: an announcement stands until the next begin or pipeline.
  /// errors  Cancelled, device; settings if no batch is begun, one is announced, or the number of icons differs
  void announce(std::span<const IconPoint> icons);
  /// Starts the batch announced. read() gives the batch before until its first advance().
  /// errors  as begin(); settings if none is announced
  void begin_announced();

  /// Runs on until `step` steps are done (1 … steps()). After a failure the batch starts again. errors: Cancelled,
  /// device; settings inside a pipeline
  void advance(std::uint32_t step);

  /// Starts a pipeline: a batch of `places` icons, each at a different step, so that in the steady state an icon is
  /// finished every ⌈steps / places⌉ steps. Pictures are those of begin(). Ended by begin(), or by another pipeline.
  /// places    1 … 1024; more than the steps are no use and are not taken
  /// sketches  what icons that begin with a sketch have in common; their strength says how many steps there are
  /// errors    Cancelled, out_of_memory, device; settings, also for a toward_prompt
  void begin_pipeline(const IconSettings& settings, IconSource source, std::uint32_t places,
                      const PipelineSketches& sketches = {});
  /// Renders until the next icon, in the order of the source, is finished. Returns its place for read(), valid until
  /// the next call. errors  Cancelled or device (the pipeline has then ended); settings if there is no pipeline, or an
  /// icon is not of its strength
  std::uint32_t next_icon();

  std::uint32_t step() const noexcept;   ///< steps done of the batch begun
  std::uint32_t steps() const noexcept;  ///< steps of the icons begun
  /// The label the last begin() rendered; its `unknown` words deserve a warning, its `readings` a note.
  const Label& label() const noexcept;
  /// The table the last begin() follows, one entry a step.
  const std::vector<SolverStep>& schedule() const noexcept;
  /// Time on the device itself of the last advance() or next_icon(), if the device can tell.
  std::optional<std::chrono::nanoseconds> device_time() const;

  /// Icon `icon` of the batch as of step(), or of the batch before where step() is 0 and that had as many icons of as
  /// many steps. out: height · width · 4 bytes, RGBA, straight alpha.
  /// errors  settings if out has another size or icon ≥ count, or nothing has been painted; wrong_format if the picture
  ///         has values that are no finite numbers
  void read(std::uint32_t icon, std::span<std::uint8_t> out);

  /// What has gone wrong since the last time without ending anything: a sentence, once; mostly empty. So far this is a
  /// mistake in a kernel under DIT_SHADER_DIR.
  std::string take_warning();

  /// Ends a running begin(), advance() or next_icon() within one step; it and later ones throw Cancelled until
  /// resume().
  void cancel() noexcept;
  void resume() noexcept;
  /// Whether it is, for work beside the session that shall end with it.
  const std::atomic<bool>& cancelled() const noexcept;

 private:
  explicit Session(std::shared_ptr<Engine> engine);
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dit
