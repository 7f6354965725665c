// SPDX-License-Identifier: MIT
// `dit inspect`: what is in a weight file and what it costs to run.
#include <fmt/core.h>

#include <algorithm>
#include <memory>

#include "engine/cli/commands/commands.h"
#include "engine/cli/model_path.h"
#include "engine/cli/tensors.h"
#include "engine/cli/text/print.h"
#include "engine/error.h"
#include "engine/model/formats/open.h"
#include "engine/model/model.h"
#include "engine/network/dit.h"

namespace dit::cli {
namespace {

const char* name_of(Prediction prediction) {
  switch (prediction) {
    case Prediction::x:
      return "x";
    case Prediction::epsilon:
      return "epsilon";
    case Prediction::v:
      return "v";
  }
  return "?";
}

const char* name_of(ScheduleType type) {
  switch (type) {
    case ScheduleType::flow:
      return "flow";
    case ScheduleType::vp_cosine:
      return "vp_cosine";
    case ScheduleType::vp_linear:
      return "vp_linear";
  }
  return "?";
}

const char* name_of(Activation activation) {
  switch (activation) {
    case Activation::silu:
      return "SiLU";
    case Activation::gelu_erf:
      return "GELU";
    case Activation::gelu_tanh:
      return "GELU by tanh";
    case Activation::none:
      break;
  }
  return "no activation";
}

std::string name_of(const Norm& norm) {
  return fmt::format("{} norm{}, eps {:g} {}side the root", norm.type == Norm::Type::rms ? "RMS" : "layer",
                     norm.unbiased ? " of unbiased deviation" : "", norm.eps, norm.eps_outside ? "out" : "in");
}

double mebibytes(std::uint64_t bytes) { return static_cast<double>(bytes) / (1024.0 * 1024.0); }

template <typename T>
void row(const char* name, const T& value) {
  say("  {:<18} {}\n", name, value);
}

void print_config(const ModelConfig& config) {
  say("configuration\n");
  row("name", config.name);
  row("description", config.description);
  row("licence", config.licence);
  row("picture", fmt::format("{}x{}, {} channels, {}", config.width, config.height, config.channels,
                             config.premultiplied ? "premultiplied alpha" : "no alpha"));
  row("tokens",
      fmt::format(
          "{} of {}x{} pixels{}", config.tokens(), config.patch, config.patch,
          config.window_size() == config.patch ? "" : fmt::format(", windows of {0}x{0}", config.window_size())));
  row("width", fmt::format("{} in {} heads of {}, MLP {}, condition {}", config.dim, config.heads, config.head_size(),
                           config.mlp_dim, config.cond_dim));
  row("depth", config.depth);
  if (config.context)
    row("context", fmt::format("{} words and the style beside the {} tokens", config.context, config.tokens()));
  if (const auto& d = config.detail)
    row("detail", fmt::format("{} channels a pixel, {} convolutions 3x3 of {}", d->channels, d->layers, d->hidden));
  row("blocks",
      fmt::format("{}, {}, {}, {}, {}", name_of(config.norm), config.qk_norm ? "q/k RMS-norm" : "no q/k norm",
                  config.bias ? "bias" : "no bias", name_of(config.activation), config.gated ? "gates" : "no gates"));
  row("time", fmt::format("{} features, scale {}", config.time_dim, config.time_scale));
  row("prediction", name_of(config.prediction));
  row("schedule", config.schedule.type == ScheduleType::flow
                      ? std::string(name_of(config.schedule.type))
                      : fmt::format("{}, {} timesteps", name_of(config.schedule.type), config.schedule.timesteps));
  row("styles", config.styles.size());
  row("words", fmt::format("{}, {} aliases", config.words.size(), config.aliases.size()));
  row("defaults",
      fmt::format("{} steps, {}, guidance {}", config.default_steps, config.default_sampler, config.default_guidance));
}

void print_cost(const ModelConfig& config, bool guided) {
  const PlanShape shape{.batch = 1, .conditions = guided ? 2u : 1u, .steps = config.default_steps, .guided = guided};
  const Program program = record(config, shape);
  std::uint64_t bytes = 0;
  for (const TensorInfo& tensor : program.tensors) {
    if (tensor.kind == TensorKind::activation) bytes += element_count(tensor.shape) * sizeof(float);
    if (tensor.kind == TensorKind::rgba) bytes += element_count(tensor.shape);
  }
  const double step = static_cast<double>(flop_count(program, program.step));
  const double prepare = static_cast<double>(flop_count(program, program.prepare));
  say("  {:<18} {:10.3f}  {:14.3f}  {:10.3f}  {:12.2f}\n", guided ? "guided" : "unguided", step / 1e9, prepare / 1e9,
      (prepare + step * shape.steps) / 1e9, mebibytes(bytes));
}

void inspect_model(const std::shared_ptr<const Model>& model) {
  const ModelConfig& config = model->config();
  std::uint64_t weight_bytes = 0;
  for (const auto& [name, view] : model->weights()->tensors) weight_bytes += view.bytes.size() + view.scales.size();

  say("{}\n\n", model->path().string());
  print_config(config);
  say("\nsize\n");
  row("parameters", fmt::format("{} ({:.2f} million)", model->parameter_count(),
                                static_cast<double>(model->parameter_count()) / 1e6));
  row("tensors", model->weights()->tensors.size());
  row("weights", fmt::format("{} bytes ({:.2f} MiB)", weight_bytes, mebibytes(weight_bytes)));
  row("file", fmt::format("{} bytes", model->weights()->file_bytes));
  say("\ncost of one icon, {} steps\n  {:<18} {:>10}  {:>14}  {:>10}  {:>12}\n", config.default_steps, "", "GFLOP/step",
      "GFLOP/prepare", "GFLOP/icon", "buffers MiB");
  print_cost(config, false);
  print_cost(config, true);
  say("  FLOPs: matrix products, convolutions and attention, a multiply-add counted as two; buffers: every activation\n"
      "  as f32, before an executor shares memory between them.\n");
  print_tensors(*model->weights());
}

/// Such a file gets Model::open()'s error, not only a list, if something is wrong with it.
bool claims_to_be_a_model(const Weights& weights) {
  const auto format = weights.metadata.find("format");
  return weights.metadata.contains("config") ||
         (format != weights.metadata.end() && (format->second == "ditsrc/1" || format->second == "WTS1"));
}

void inspect(const std::string& file) {
  const std::filesystem::path path = model_path(file);
  const std::shared_ptr<const Weights> weights = open_weights(path);
  if (path.extension() == ".onnx") return inspect_onnx(path, *weights);
  if (!claims_to_be_a_model(*weights)) return inspect_tensors(path, *weights);
  std::shared_ptr<const Model> model;
  try {
    model = Model::open(path);
  } catch (const Error&) {
    say("{}\n\nno model that can be opened, as the error says\n", path.string());
    print_tensors(*weights);
    throw;
  }
  inspect_model(model);
}

}  // namespace

void add_inspect(CLI::App& app) {
  CLI::App* command = app.add_subcommand("inspect", "Show a weight file's configuration, size, cost and tensors");
  auto file = std::make_shared<std::string>();
  command->add_option("file", *file, model_help)->option_text("FILE");
  command->footer(
      "Other safetensors, GGUF and ONNX files are listed by tensor.\n"
      "Examples:\n"
      "  dit inspect\n"
      "  dit inspect models/icons.safetensors");
  command->callback([file] { inspect(*file); });
}

}  // namespace dit::cli
