// SPDX-License-Identifier: MIT
// `dit tune`: measures on a Vulkan device what its class's table only supposes, and remembers it for all who paint
// there.
#include <algorithm>
#include <cstdio>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/cli/commands/commands.h"
#include "engine/cli/interrupt.h"
#include "engine/cli/model_path.h"
#include "engine/cli/text/lists.h"
#include "engine/cli/text/numbers.h"
#include "engine/cli/text/print.h"
#include "engine/cpu/executor.h"
#include "engine/model/text.h"
#include "engine/session/device.h"
#include "engine/session/trial/sooner.h"
#include "engine/vulkan/compile/compile.h"
#include "engine/vulkan/executor.h"

namespace dit::cli {
namespace {

struct Choices {
  std::string model, device = "vulkan";
  std::vector<std::uint32_t> batches = {1, 8, 16, 64};
  int runs = 5;
  bool dry = false;
};

using Mode = std::pair<Precision, Fusion>;
constexpr double unmeasured = std::numeric_limits<double>::infinity();

class Tuning {
 public:
  explicit Tuning(const Choices& choices)
      : choices_(choices),
        model_(open_model(choices.model)),
        test_(make_self_test(model_, [](std::shared_ptr<const Weights> weights) {
          return cpu::open(std::move(weights), {.precision = Precision::f32});
        })) {}

  vulkan::Tuned measure();
  /// False: nothing is remembered on this machine.
  bool keep(const CacheFolder& cache, const vulkan::Tuned& tuned) const {
    return vulkan::keep_tuned(cache, identity_, tuned);
  }

 private:
  void measure(Mode mode);
  /// The fusion of a precision whose times over all batches have the smallest product, and that product.
  std::pair<Fusion, double> best(Precision precision) const;
  double time(Mode mode, std::size_t batch) const {
    const auto found = times_.find(mode);
    return found == times_.end() ? unmeasured : found->second[batch];
  }

  const Choices& choices_;
  Interrupt interrupt_;
  std::shared_ptr<const Model> model_;
  SelfTest test_;
  std::unique_ptr<Executor> executor_;         // the last that was opened
  std::string identity_;                       // of its device
  std::map<Mode, std::vector<double>> times_;  // seconds an icon, of each batch
};

void Tuning::measure(Mode mode) {
  const auto& [precision, fusion] = mode;
  say("{:11} {:7}", name_of(precision), name_of(fusion));
  std::fflush(stdout);
  try {
    executor_.reset();
    OpenedDevice opened = open_device(choices_.device, model_, {.precision = precision, .fusion = fusion},
                                      [this]() -> const SelfTest& { return test_; });
    executor_ = std::move(opened.executor);
    identity_ = vulkan::identity(*executor_);
    expect(executor_->info().warning.empty(), ErrorKind::unsupported, "{}", executor_->info().warning);
    std::vector<double> times;
    for (const std::uint32_t batch : choices_.batches) {
      times.push_back(seconds_an_icon(*executor_, test_, batch, choices_.runs, interrupt_.came()));
      say(" {:>9.4f}", 1e3 * times.back());
      std::fflush(stdout);
    }
    say("\n");
    times_[mode] = std::move(times);
  } catch (const Error& error) {
    if (executor_ && executor_->lost()) throw;
    say(" {}\n", error.what());
  }
  interrupt_.check();
}

std::pair<Fusion, double> Tuning::best(Precision precision) const {
  std::pair<Fusion, double> best = {Fusion::op, unmeasured};
  for (const Fusion fusion : {Fusion::op, Fusion::block}) {
    double product = 1;
    for (std::size_t batch = 0; batch < choices_.batches.size(); ++batch) product *= time({precision, fusion}, batch);
    if (product < best.second) best = {fusion, product};
  }
  return best;
}

vulkan::Tuned Tuning::measure() {
  say("{:11} {:7}", "precision", "fusion");
  for (const std::uint32_t batch : choices_.batches) say(" {:>9}", fmt::format("ms at {}", batch));
  say("\n");
  for (const Precision precision : {Precision::f32, Precision::f16, Precision::f16_matrix}) {
    for (const Fusion fusion : {Fusion::op, Fusion::block, Fusion::persistent}) {
      if (vulkan::is_served(precision, fusion)) measure({precision, fusion});
    }
  }
  expect(best(Precision::f32).second < unmeasured, ErrorKind::device, "device '{}': nothing could be measured",
         choices_.device);
  vulkan::Tuned tuned = {.f32 = best(Precision::f32).first, .f16 = best(Precision::f16).first};
  double matrix = 1;
  for (std::size_t batch = 0; batch < choices_.batches.size(); ++batch) {
    const double single = time({Precision::f16_matrix, Fusion::persistent}, batch);
    const double block = time({Precision::f16_matrix, Fusion::block}, batch);
    if (single < block)
      tuned.matrix_persistent_batch = std::max(tuned.matrix_persistent_batch, choices_.batches[batch]);
    matrix *= std::min(single, block);
  }
  tuned.matrices_win = matrix < best(Precision::f32).second;
  return tuned;
}

void run(const Choices& choices) {
  expect(lower_ascii(choices.device).starts_with("vulkan"), ErrorKind::settings,
         "device '{}': expected vulkan, or vulkan: and an index or part of a name: on the CPU there is nothing to tune",
         choices.device);
  const CacheFolder cache = CacheFolder::of_user();
  const std::string problem = choices.dry ? "" : cache.problem();
  expect(problem.empty(), ErrorKind::settings, "cache '{}': {}; DIT_CACHE names another folder", cache.path().string(),
         problem);
  Tuning tuning(choices);
  const vulkan::Tuned tuned = tuning.measure();
  say("f32: {}; f16: {}; ", name_of(tuned.f32), name_of(tuned.f16));
  if (tuned.matrices_win) {
    say("f16-matrix is faster than f32, single up to batches of {}\n", tuned.matrix_persistent_batch);
  } else {
    say("f16-matrix is no faster than f32\n");
  }
  if (choices.dry) return;
  expect(tuning.keep(cache, tuned), ErrorKind::settings,
         "cache '{}': cannot remember what was measured; DIT_CACHE names another folder", cache.path().string());
  say("remembered in {}\n", cache.path().string());
}

}  // namespace

void add_tune(CLI::App& app) {
  auto choices = std::make_shared<Choices>();
  CLI::App* command =
      app.add_subcommand("tune", "Measure which fusions are fastest on a Vulkan device, and remember them");
  command->add_option("--model", choices->model, "Weight file; default: the icons' own")->option_text("FILE");
  command->add_option("--device", choices->device, "vulkan, or vulkan: and an index or part of a name")
      ->option_text("NAME");
  add_list(*command, "--batch", choices->batches, "Icons at a time, such as 1,16", whole_number(1, 1024))
      ->option_text("NUMBERS");
  command->add_option("--runs", choices->runs, "Timed runs of each")
      ->option_text("NUMBER")
      ->check(whole_number(1, 1000));
  command->add_flag("--dry-run", choices->dry, "Measure and remember nothing");
  command->footer(
      "Nothing else measures: without it a device is used as the table of its class says.\n"
      "Ctrl-C ends it within a step, and what was remembered before stays.\n"
      "Examples:\n"
      "  dit tune\n"
      "  dit tune --device vulkan:1 --batch 1,64 --dry-run");
  command->callback([choices] { run(*choices); });
}

}  // namespace dit::cli
