// SPDX-License-Identifier: MIT
#include "engine/model/model.h"

#include <unistd.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "engine/error.h"
#include "engine/model/formats/open.h"
#include "engine/model/formats/wts1.h"
#include "engine/model/formats/wts1_model.h"
#include "engine/model/good.h"
#include "engine/model/json_text.h"
#include "engine/model/prompts/prompt.h"
#include "engine/model/word_index.h"
#include "engine/network/dit.h"
#include "engine/network/solver.h"

namespace dit {
namespace {

using nlohmann::json;

/// Reads one configuration object; every failure names the file and the key.
class ConfigReader {
 public:
  /// inside  what stands before the keys of an object within another, in messages
  ConfigReader(const json& object, std::string file, std::string inside = {})
      : object_(object), file_(std::move(file)), inside_(std::move(inside)) {}

  template <typename T>
  T get(const char* key) const {
    expect(object_.contains(key), ErrorKind::wrong_format, "weights '{}': configuration lacks '{}{}'", file_, inside_,
           key);
    try {
      return object_.at(key).get<T>();
    } catch (const json::exception&) {
      fail(ErrorKind::wrong_format, "weights '{}': configuration '{}{}' has the wrong type: {}", file_, inside_, key,
           text_of(object_.at(key)));
    }
  }
  template <typename T>
  T get(const char* key, T fallback) const {
    return object_.contains(key) ? get<T>(key) : fallback;
  }

  /// A size in [low, high].
  std::uint32_t size(const char* key, std::uint32_t low, std::uint32_t high) const {
    return static_cast<std::uint32_t>(whole_of(get<json>(key), low, high, where(key)));
  }
  std::uint32_t size(const char* key, std::uint32_t low, std::uint32_t high, std::uint32_t fallback) const {
    return has(key) ? size(key, low, high) : fallback;
  }
  /// A number in [low, high], which is none of f64 alone.
  double real(const char* key, double low, double high) const { return real_of(get<json>(key), low, high, where(key)); }
  double real(const char* key, double low, double high, double fallback) const {
    return has(key) ? real(key, low, high) : fallback;
  }

  /// The enumerator whose name the key holds; `fallback` is the name that an absent key stands for.
  template <typename T>
  T choice(const char* key, const std::vector<std::pair<const char*, T>>& choices,
           const char* fallback = nullptr) const {
    const auto value = fallback ? get<std::string>(key, fallback) : get<std::string>(key);
    std::string known;
    for (const auto& [text, result] : choices) {
      if (value == text) return result;
      known += (known.empty() ? "" : ", ") + std::string(text);
    }
    fail(ErrorKind::wrong_format, "weights '{}': configuration '{}{}': expected one of {}, found '{}'", file_, inside_,
         key, known, value);
  }

  bool has(const char* key) const { return object_.contains(key); }
  /// Whether a key is there with a value that switches something on.
  bool is_on(const char* key) const {
    return has(key) && !object_[key].is_null() && object_[key] != json(0) && object_[key] != json(false);
  }
  const std::string& file() const { return file_; }

 private:
  std::string where(const char* key) const {
    return fmt::format("weights '{}': configuration '{}{}'", file_, inside_, key);
  }

  const json& object_;
  std::string file_, inside_;
};

ScheduleConfig parse_schedule(const json& object, const std::string& file) {
  const ConfigReader reader(object, file);
  ScheduleConfig schedule;
  schedule.type = reader.choice<ScheduleType>(
      "type",
      {{"flow", ScheduleType::flow}, {"vp-cosine", ScheduleType::vp_cosine}, {"vp-linear", ScheduleType::vp_linear}});
  if (schedule.type == ScheduleType::flow) return schedule;
  schedule.timesteps = reader.size("timesteps", 1, 100000);
  schedule.cosine_offset = reader.real("offset", 0, 1, schedule.cosine_offset);
  // A beta of 0 leaves a step without noise, one of 1 without a picture.
  schedule.beta_start = reader.real("beta_start", 1e-12, 0.999999, schedule.beta_start);
  schedule.beta_end = reader.real("beta_end", 1e-12, 0.999999, schedule.beta_end);
  schedule.variance = reader.choice<ScheduleConfig::Variance>(
      "variance", {{"posterior", ScheduleConfig::Variance::posterior}, {"beta", ScheduleConfig::Variance::beta}},
      "posterior");
  return schedule;
}

/// The keys of networks that show attention the prompt, or end in convolutions.
void parse_parts(const ConfigReader& reader, ModelConfig& config) {
  const std::string& file = reader.file();
  if (reader.is_on("context")) config.context = reader.size("context", 0, 256);
  expect(config.context == 0 || (reader.has("words") && reader.has("styles")), ErrorKind::wrong_format,
         "weights '{}': configuration 'context': expected 'words' and 'styles' beside it, found {}", file,
         reader.has("words") ? "no styles" : "no words");
  if (!reader.is_on("detail")) return;
  const json object = reader.get<json>("detail");
  expect(object.is_object(), ErrorKind::wrong_format,
         "weights '{}': configuration 'detail': expected channels, hidden and layers, found {}", file, text_of(object));
  const ConfigReader inner(object, file, "detail.");
  config.detail = {.channels = inner.size("channels", 1, 256),
                   .hidden = inner.size("hidden", 1, 1024),
                   .layers = inner.size("layers", 2, 64)};
  expect(config.window_size() == config.patch, ErrorKind::wrong_format,
         "weights '{}': configuration 'detail': expected a window of the patch, {}, found {}", file, config.patch,
         config.window);
}

void parse_sizes(const ConfigReader& reader, ModelConfig& config) {
  config.channels = reader.size("channels", 3, 4);
  config.height = reader.size("height", 1, 4096);
  config.width = reader.size("width", 1, 4096);
  config.patch = reader.size("patch", 1, 64);
  config.dim = reader.size("dim", 1, 16384);
  config.depth = reader.size("depth", 1, 256);
  config.heads = reader.size("heads", 1, 256);
  if (reader.has("window")) config.window = reader.size("window", config.patch, 256);
  if (reader.has("head_dim")) config.head_dim = reader.size("head_dim", 1, 16384);
  config.mlp_dim = reader.size("mlp_dim", 1, 65536);
  config.cond_dim = reader.size("cond_dim", 1, 16384);
  config.time_dim = reader.size("time_dim", 2, 16384);
  parse_parts(reader, config);
  const std::string& file = reader.file();
  expect(config.height % config.patch == 0 && config.width % config.patch == 0, ErrorKind::wrong_format,
         "weights '{}': image {}x{} is not a multiple of patch {}", file, config.width, config.height, config.patch);
  expect((config.window_size() - config.patch) % 2 == 0, ErrorKind::wrong_format,
         "weights '{}': window {} is not larger than patch {} by an even number", file, config.window, config.patch);
  expect(config.head_dim > 0 || config.dim % config.heads == 0, ErrorKind::wrong_format,
         "weights '{}': dim {} is not a multiple of heads {}, and there is no head_dim", file, config.dim,
         config.heads);
  expect(config.time_dim % 2 == 0, ErrorKind::wrong_format, "weights '{}': time_dim {} is odd", file, config.time_dim);
}

/// "wgsl" and "torch" are the two norms of the favicon diffusor: what its shader does and what it was trained with.
Norm parse_norm(const ConfigReader& reader, std::uint32_t width) {
  enum class Name { layer, rms, wgsl, torch };
  const Name name = reader.choice<Name>(
      "norm", {{"layer", Name::layer}, {"rms", Name::rms}, {"wgsl", Name::wgsl}, {"torch", Name::torch}});
  if (name == Name::wgsl) return {.unbiased = false, .eps_outside = false, .eps = 1e-8f};
  if (name == Name::torch) return {.unbiased = true, .eps_outside = true, .eps = 1e-5f};
  Norm norm;
  norm.type = name == Name::rms ? Norm::Type::rms : Norm::Type::layer;
  norm.eps = static_cast<float>(reader.real("norm_eps", 0, 1));
  norm.unbiased = reader.choice<bool>("norm_deviation", {{"population", false}, {"unbiased", true}}, "population");
  norm.eps_outside = reader.choice<bool>("norm_eps_place", {{"inside", false}, {"outside", true}}, "inside");
  expect(!norm.unbiased || (norm.type == Norm::Type::layer && width > 1), ErrorKind::wrong_format,
         "weights '{}': the unbiased deviation needs norm 'layer' and dim 2 or more", reader.file());
  return norm;
}

void parse_time(const ConfigReader& reader, ModelConfig& config) {
  config.time_scale = reader.real("time_scale", -1e6, 1e6);
  config.time_inclusive = reader.choice<bool>("time_spacing", {{"exclusive", false}, {"inclusive", true}}, "exclusive");
  config.time_bias = reader.get<bool>("time_bias", config.time_bias);
  config.condition_activation = reader.choice<Activation>(
      "condition_activation", {{"silu", Activation::silu}, {"none", Activation::none}}, "silu");
  expect(!config.time_inclusive || config.time_dim >= 4, ErrorKind::wrong_format,
         "weights '{}': time_spacing 'inclusive' needs time_dim 4 or more, found {}", reader.file(), config.time_dim);
}

void parse_choices(const ConfigReader& reader, ModelConfig& config) {
  config.premultiplied = reader.choice<bool>("alpha", {{"premultiplied", true}, {"none", false}});
  config.rounding =
      reader.choice<Rounding>("rounding", {{"nearest", Rounding::nearest}, {"floor", Rounding::floor}}, "nearest");
  config.norm = parse_norm(reader, config.dim);
  config.activation = reader.choice<Activation>("activation", {{"none", Activation::none},
                                                               {"silu", Activation::silu},
                                                               {"gelu_erf", Activation::gelu_erf},
                                                               {"gelu_tanh", Activation::gelu_tanh}});
  config.prediction = reader.choice<Prediction>(
      "prediction", {{"x", Prediction::x}, {"epsilon", Prediction::epsilon}, {"v", Prediction::v}});
  config.qk_norm = reader.get<bool>("qk_norm");
  config.qk_norm_eps = reader.real("qk_norm_eps", 0, 1, config.qk_norm_eps);
  config.bias = reader.get<bool>("bias");
  config.outer_bias = reader.get<bool>("outer_bias", config.outer_bias);
  config.gated = reader.get<bool>("gated", config.gated);
  parse_time(reader, config);
  config.schedule = parse_schedule(reader.get<json>("schedule"), reader.file());
  expect(config.channels == (config.premultiplied ? 4u : 3u), ErrorKind::wrong_format,
         "weights '{}': alpha '{}' does not go with {} channels", reader.file(),
         config.premultiplied ? "premultiplied" : "none", config.channels);
  expect(config.schedule.type != ScheduleType::flow || config.prediction != Prediction::epsilon,
         ErrorKind::wrong_format, "weights '{}': epsilon prediction has no value at the start of a flow schedule",
         reader.file());
}

ModelConfig parse_config(const Weights& weights, const std::string& file) {
  const auto format = weights.metadata.find("format");
  const auto text = weights.metadata.find("config");
  expect(format != weights.metadata.end() && format->second == "ditsrc/1" && text != weights.metadata.end(),
         ErrorKind::wrong_format, "weights '{}': expected metadata format 'ditsrc/1' with a config, found format '{}'",
         file, format == weights.metadata.end() ? "" : format->second);
  const Json parsed = parse_json(text->second, fmt::format("weights '{}': configuration", file));
  const json& object = *parsed;
  expect(object.is_object(), ErrorKind::wrong_format, "weights '{}': configuration is not a JSON object", file);

  const ConfigReader reader(object, file);
  ModelConfig config;
  config.name = reader.get<std::string>("name");
  config.description = reader.get<std::string>("description", "");
  config.licence = reader.get<std::string>("licence", "");
  parse_sizes(reader, config);
  parse_choices(reader, config);
  config.has_styles = reader.has("styles");
  config.has_words = reader.has("words");
  config.styles = reader.get<std::vector<std::string>>("styles", {});
  config.words = reader.get<std::vector<std::string>>("words", {});
  config.aliases = reader.get<std::map<std::string, std::vector<std::string>>>("aliases", {});
  config.default_steps = reader.size("default_steps", 1, 1000, config.default_steps);
  config.default_sampler = reader.get<std::string>("default_sampler", config.default_sampler);
  config.default_guidance = reader.real("default_guidance", 0, 100, config.default_guidance);
  return config;
}

std::uint64_t physical_memory() {
  return static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

bool is_wts1(const Weights& weights) {
  const auto format = weights.metadata.find("format");
  return format != weights.metadata.end() && format->second == wts1::format;
}

}  // namespace

float ModelConfig::goodness(std::uint32_t row) const noexcept {
  if (good.empty() || row == 0 || row > words.size()) return 1;
  const std::size_t columns = good.size() / words.size();
  float sum = 0;
  for (std::size_t i = 0; i < columns; ++i) sum += good[(row - 1) * columns + i];
  return sum / (255.0f * static_cast<float>(columns));
}

std::shared_ptr<const Model> Model::open(const std::filesystem::path& path, const std::filesystem::path& lexicon) {
  auto weights = open_weights(path);
  if (is_wts1(*weights)) weights = wts1::to_model(weights, path.string(), wts1::read_changes(path));
  return from(std::move(weights), path, lexicon);
}

std::shared_ptr<const Model> Model::from(std::shared_ptr<const Weights> weights, std::filesystem::path path,
                                         const std::filesystem::path& lexicon) {
  if (is_wts1(*weights)) weights = wts1::to_model(weights, path.string(), "");
  std::shared_ptr<Model> model(new Model);
  model->config_ = parse_config(*weights, path.string());
  model->config_.good = read_good(*weights, model->config_, path.string());
  model->config_.lexicon = std::make_shared<const LexiconFile>(lexicon_places(path, lexicon));
  model->config_.index = std::make_shared<const WordIndex>(model->config_);
  model->weights_ = std::move(weights);
  model->path_ = std::move(path);
  model->check_tensors();
  // A default that no user chose must not fail later, at the first icon.
  solver_table(model->config_, sampler_from_name(model->config_.default_sampler), model->config_.default_steps,
               model->config_.default_guidance);
  return model;
}

void Model::check_tensors() const {
  const ModelConfig& c = config_;
  std::uint64_t bytes = 0;
  const auto check = [this, &bytes](const std::string& name, const Shape& shape) {
    const auto found = weights_->tensors.find(name);
    if (const auto foreign = weights_->foreign.find(name); foreign != weights_->foreign.end()) {
      fail(ErrorKind::wrong_format, "weights '{}': tensor '{}': expected {}, but {}", path_.string(), name,
           to_string(shape), foreign->second.problem);
    }
    expect(found != weights_->tensors.end(), ErrorKind::wrong_format,
           "weights '{}': tensor '{}': expected {}, not there", path_.string(), name, to_string(shape));
    expect(found->second.shape == shape, ErrorKind::wrong_format,
           "weights '{}': tensor '{}': expected {}, file has {} {}", path_.string(), name, to_string(shape),
           name_of(found->second.dtype), to_string(found->second.shape));
    expect(is_weight_type(found->second.dtype), ErrorKind::wrong_format,
           "weights '{}': tensor '{}': expected a floating-point or quantised type, file has {}", path_.string(), name,
           name_of(found->second.dtype));
    bytes += found->second.bytes.size() + found->second.scales.size();
  };
  const auto rows = [](const std::vector<std::string>& names) { return static_cast<std::uint32_t>(names.size() + 1); };
  check("time_mlp.0.weight", {c.cond_dim, c.time_dim});
  check("time_mlp.2.weight", {c.cond_dim, c.cond_dim});
  if (c.time_bias) {
    check("time_mlp.0.bias", {c.cond_dim});
    check("time_mlp.2.bias", {c.cond_dim});
  }
  if (c.has_styles) check("style_embed.weight", {rows(c.styles), c.cond_dim});
  if (c.has_words) {
    check("word_embed.weight", {rows(c.words), c.cond_dim});
    check("word_proj.weight", {c.cond_dim, c.cond_dim});
    check("word_proj.bias", {c.cond_dim});
  }
  if (c.context > 0) {
    for (const std::string name : {"context.word", "context.style"}) {
      check(name + ".weight", {c.cond_dim, c.cond_dim});
      check(name + ".bias", {c.cond_dim});
    }
    check("context.position", {c.context_rows(), c.cond_dim});
  }
  // The network itself says what else it reads, so this list cannot drift from dit.cpp.
  for (const TensorInfo& tensor : record(c, PlanShape{}).tensors) {
    if (tensor.kind == TensorKind::weight) check(tensor.name, tensor.shape);
  }
  // A file with holes takes no disk. Memory that is promised and not there ends the process, not the call.
  const std::uint64_t memory = physical_memory();
  expect(bytes <= memory, ErrorKind::out_of_memory,
         "weights '{}': its network needs {} bytes of weights, this machine has {} bytes of memory", path_.string(),
         bytes, memory);
}

const WeightView& Model::weight(const std::string& name) const {
  const auto found = weights_->tensors.find(name);
  expect(found != weights_->tensors.end(), ErrorKind::wrong_format, "weights '{}': no tensor '{}'", path_.string(),
         name);
  return found->second;
}

std::uint64_t Model::parameter_count() const noexcept {
  std::uint64_t count = 0;
  for (const auto& [name, tensor] : weights_->tensors) count += element_count(tensor.shape);
  return count;
}

}  // namespace dit
