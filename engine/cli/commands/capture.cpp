// SPDX-License-Identifier: MIT
// `dit capture`: every intermediate tensor of one step as .npy files, and a manifest that says what they are.
#include "engine/session/capture.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>

#include "engine/cli/commands/commands.h"
#include "engine/cli/device_options.h"
#include "engine/cli/model_path.h"
#include "engine/cli/pages/parser.h"
#include "engine/cli/pictures/sketch.h"
#include "engine/cli/text/numbers.h"
#include "engine/cli/text/print.h"
#include "engine/files/file_bytes.h"
#include "engine/files/new_file.h"
#include "engine/model/formats/npy.h"
#include "engine/model/formats/safetensors.h"
#include "engine/model/json_text.h"
#include "engine/session/device.h"

namespace dit::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t most_manifest = 64u << 20;

struct Options {
  std::string model;
  DeviceChoice machine;
  CapturePoint point;
  std::string name;
  std::string sampler;
  std::string inputs;
  std::string from, mask;
  double strength = default_strength;
  std::string output = "capture";
};

/// errors  settings: there is a manifest, and of no capture
void expect_own(const fs::path& manifest) {
  std::error_code error;
  if (!fs::exists(fs::symlink_status(manifest, error))) return;
  bool own = false;
  try {
    const Json parsed = parse_json(read_text(manifest, most_manifest, "capture"), "manifest");
    own = parsed->is_object() && parsed->value("format", "") == capture_format;
  } catch (const Error&) {
  } catch (const json::exception&) {  // its format is no text
  }
  expect(own, ErrorKind::settings,
         "'{}': expected a folder without it, or the manifest of a capture, which is replaced", manifest.string());
}

/// Writes each tensor as it comes and remembers what the manifest says about it.
class Folder {
 public:
  explicit Folder(const fs::path& path) : path_(path) { expect_own(path_ / manifest_name); }

  void add(const Intermediate& tensor) {
    if (labels_.empty()) begin();
    const std::string file = tensor.label + ".npy";
    expect(labels_.insert(tensor.label).second, ErrorKind::unsupported, "two ops have the label '{}'", tensor.label);
    npy::write(path_ / file, tensor.shape, tensor.values);
    double sum = 0, low = std::numeric_limits<double>::infinity(), high = -low;
    std::uint64_t not_finite = 0;
    for (const float value : tensor.values) {
      if (!std::isfinite(value)) {
        ++not_finite;
        continue;
      }
      sum += value;
      low = std::min<double>(low, value);
      high = std::max<double>(high, value);
    }
    const auto finite = static_cast<double>(tensor.values.size() - not_finite);
    json entry = {{"label", tensor.label}, {"kernel", tensor.kernel}, {"file", file},
                  {"shape", tensor.shape}, {"dtype", "f32"},          {"not_finite", not_finite}};
    if (finite > 0) entry.update({{"min", low}, {"max", high}, {"mean", sum / finite}});
    checkpoints_.push_back(std::move(entry));
    bytes_ += tensor.values.size_bytes();
    not_finite_ += not_finite;
  }

  void finish(json manifest) {
    manifest["checkpoints"] = checkpoints_;
    NewFile file(path_ / manifest_name);
    file.write(json_text(manifest, 2) + "\n");
    file.finish();
    say("{}: {} tensors, {:.2f} MiB, {} values not finite\n", path_.string(), checkpoints_.size(),
        static_cast<double>(bytes_) / (1 << 20), not_finite_);
  }

 private:
  /// Once the first tensor is there, as nothing that was asked for can be wrong then.
  void begin() {
    std::error_code error;
    fs::create_directories(path_, error);
    expect(!error, ErrorKind::unreadable, "cannot make folder '{}': {}", path_.string(), error.message());
    // A manifest over files of another capture would lie.
    expect_own(path_ / manifest_name);
    fs::remove(path_ / manifest_name, error);
  }

  fs::path path_;
  json checkpoints_ = json::array();
  std::set<std::string> labels_;
  std::uint64_t bytes_ = 0, not_finite_ = 0;
};

json describe(const Model& model, const DeviceInfo& device) {
  return {{"format", capture_format},
          {"model", {{"name", model.config().name}, {"file", model.path().filename().string()}}},
          {"device",
           {{"name", device.name},
            {"driver", device.driver},
            {"api", device.api},
            {"precision", device.precision},
            {"fusion", device.fusion}}}};
}

void run(Options& options) {
  if (!options.sampler.empty()) options.point.settings.sampler = sampler_from_name(options.sampler);
  if (!options.name.empty()) options.point.settings.seed = seed_from_name(options.name);
  Folder folder(options.output);
  const std::shared_ptr<const Model> model = open_model(options.model);
  DeviceOptions wanted = options.machine.options();
  // Captures are compared: what is not asked for must not change them.
  if (wanted.precision == Precision::automatic) wanted.precision = Precision::f32;
  const OpenedDevice opened = open_device(options.machine.device, model, wanted);
  say("{}\n", opened.note);
  const SketchFiles sketch(options.from, options.mask, model->config().width, model->config().height);
  options.point.sketch = sketch.of_strength(options.strength);
  const auto sink = [&folder](const Intermediate& tensor) { folder.add(tensor); };
  json manifest = describe(*model, opened.executor->info());
  if (!options.inputs.empty()) {
    capture_inputs(model, *opened.executor, *safetensors::open(options.inputs), sink);
    manifest["inputs"] = fs::path(options.inputs).filename().string();
  } else {
    const CaptureInfo info = capture(model, *opened.executor, options.point, sink);
    const IconSettings& settings = options.point.settings;
    manifest["icon"] = {
        {"prompt", settings.prompt}, {"style", settings.style}, {"seed", settings.seed}, {"index", options.point.index},
        {"step", info.step},         {"steps", info.steps},     {"t", info.t},           {"sampler", info.sampler},
        {"guidance", info.guidance}};
  }
  folder.finish(std::move(manifest));
}

}  // namespace

void add_capture(CLI::App& app) {
  CLI::App* command = app.add_subcommand("capture", "Write every intermediate tensor of one step as .npy files");
  auto options = std::make_shared<Options>();
  IconSettings& settings = options->point.settings;
  command->add_option("-p,--prompt", settings.prompt, "What to paint")->option_text("TEXT");
  command->add_option("--style", settings.style, "How to paint it, see 'dit styles'")->option_text("STYLE");
  CLI::Option* seed = command->add_option("--seed", settings.seed, "Which of 2^64 series of icons; default 0")
                          ->option_text("NUMBER")
                          ->check(whole_number());
  command->add_option("--name", options->name, "Any text instead of a seed")->option_text("TEXT")->excludes(seed);
  command->add_option("--index", options->point.index, "Icon of the series; default 0")
      ->option_text("NUMBER")
      ->check(whole_number());
  command->add_option("--step", options->point.step, "Which step, from 1; default 1")
      ->option_text("NUMBER")
      ->check(whole_number(1, 1000));
  command->add_option("--steps", settings.steps, "Denoising steps. Default: the model's")
      ->option_text("NUMBER")
      ->check(whole_number(1, 1000));
  propose(command->add_option("--sampler", options->sampler, "Solver, see 'dit generate --help'")->option_text("NAME"),
          sampler_names());
  command->add_option("--guidance", settings.guidance, "Classifier-free guidance; 1 is off. Default: the model's")
      ->option_text("NUMBER")
      ->check(any_number());
  add_from_options(*command, options->from, options->mask);
  command->add_option("--strength", options->strength, "How far the icon may go from it, 0 to 1, default 0.7")
      ->option_text("NUMBER")
      ->check(real_number(0, 1))
      ->needs("--from");
  command
      ->add_option("--inputs", options->inputs,
                   "One pass over the in.x, in.t, in.style and in.words of this golden file (safetensors) instead")
      ->option_text("FILE");
  command->add_option("--model", options->model, model_help)->option_text("FILE");
  add_device_options(*command, options->machine);
  command->add_option("-o,--output", options->output, "Folder, made if it is not there; default 'capture'")
      ->option_text("FOLDER");
  command->footer(
      "The folder gets manifest.json and a file LABEL.npy (f32) for the output of each op, such as\n"
      "blocks.0.attn.qkv.npy. Modulation tables hold every step; with guidance the conditional rows come first.\n"
      "Examples:\n"
      "  dit capture --prompt rocket --seed 1 --step 2 -o rocket\n"
      "  dit capture --prompt rocket --seed 1 --step 2 --device vulkan -o rocket-vulkan && dit match rocket-vulkan "
      "rocket\n"
      "  dit capture --prompt rocket --precision int8 -o rocket-int8 && dit capture --prompt rocket -o rocket-f32 && "
      "dit match rocket-int8 rocket-f32 --all\n"
      "  dit capture --inputs tests/golden/icons.activations.safetensors -o golden");
  command->callback([options] { run(*options); });
}

}  // namespace dit::cli
