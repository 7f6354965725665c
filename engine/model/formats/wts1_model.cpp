// SPDX-License-Identifier: MIT
#include "engine/model/formats/wts1_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/model/formats/wts1.h"
#include "engine/model/formats/wts1_layout.h"
#include "engine/model/json_text.h"

namespace dit::wts1 {
namespace {

using nlohmann::json;

constexpr std::size_t most_changes = 1u << 20;

/// Weights that own what they had to make, and keep what they borrow from alive.
struct OwnedWeights {
  std::shared_ptr<const Weights> source;
  std::vector<std::vector<float>> values;
};

void add(Weights& weights, OwnedWeights& owned, const std::string& name, Shape shape, std::vector<float> values) {
  owned.values.push_back(std::move(values));
  weights.tensors[name] = {name, DType::f32, std::move(shape), std::as_bytes(std::span(owned.values.back()))};
}

std::vector<float> matrix_of(const WeightView& view, bool transposed) {
  std::vector<float> values = read_f32(view);
  if (!transposed) return values;
  const std::size_t rows = view.shape[0], columns = view.shape[1];
  std::vector<float> turned(values.size());
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < columns; ++c) turned[c * rows + r] = values[r * columns + c];
  return turned;
}

/// [tokens,dim]: sin y, cos y, sin x, cos x of the token's place, dim/4 each, frequencies 1 … 1/10000.
std::vector<float> positions(std::uint32_t width, std::uint32_t down, std::uint32_t across) {
  const std::uint32_t quarter = width / 4;
  std::vector<float> values;
  for (std::uint32_t token = 0; token < down * across; ++token) {
    for (std::uint32_t part = 0; part < 4; ++part) {
      const double place = part < 2 ? token / across : token % across;
      for (std::uint32_t i = 0; i < quarter; ++i) {
        const double angle = place * std::exp(-std::log(10000.0) * i / (quarter - 1));
        values.push_back(static_cast<float>(part % 2 == 0 ? std::sin(angle) : std::cos(angle)));
      }
    }
  }
  return values;
}

/// What the page does, where the shapes do not say.
json page_config(const Layout& layout, std::uint32_t depth, const std::string& file) {
  const std::uint32_t patch = static_cast<std::uint32_t>(std::lround(std::sqrt(layout.size(Size::pixels) / 3.0)));
  expect(patch > 0 && 3 * patch * patch == layout.size(Size::pixels), ErrorKind::wrong_format,
         "weights '{}': tensor 'to_pixels.weight': expected 3·patch² outputs, found {}", file,
         layout.size(Size::pixels));
  return {{"name", std::filesystem::path(file).stem().string()},
          {"description", "weights of a favicon diffusor"},
          {"licence", ""},
          {"channels", 3},
          {"height", 64},
          {"width", 64},
          {"alpha", "none"},
          {"rounding", "floor"},
          {"patch", patch},
          {"dim", layout.size(Size::dim)},
          {"depth", depth},
          {"heads", 1},
          {"head_dim", layout.size(Size::attention)},
          {"mlp_dim", layout.size(Size::mlp)},
          {"cond_dim", layout.size(Size::condition)},
          {"time_dim", layout.size(Size::time)},
          {"time_scale", 1.0},
          {"time_spacing", "inclusive"},
          {"time_bias", false},
          {"condition_activation", "none"},
          {"norm", "wgsl"},
          {"qk_norm", false},
          {"activation", "silu"},
          {"bias", false},
          {"outer_bias", false},
          {"gated", false},
          {"prediction", "epsilon"},
          {"schedule", {{"type", "vp-cosine"}, {"timesteps", 32}, {"offset", 1e-4}, {"variance", "beta"}}},
          {"default_steps", 32},
          {"default_sampler", "ddpm"},
          {"default_guidance", 1.0}};
}

/// What the shapes leave open.
bool may_change(const std::string& key) {
  static const std::set<std::string> keys = {"name",
                                             "description",
                                             "licence",
                                             "height",
                                             "width",
                                             "rounding",
                                             "heads",
                                             "head_dim",
                                             "time_scale",
                                             "time_spacing",
                                             "condition_activation",
                                             "norm",
                                             "norm_eps",
                                             "norm_deviation",
                                             "norm_eps_place",
                                             "activation",
                                             "prediction",
                                             "schedule",
                                             "default_steps",
                                             "default_sampler",
                                             "default_guidance"};
  return keys.contains(key);
}

/// `config` with the keys of `changes` in place of its own.
json changed(json config, const std::string& changes, const std::string& file) {
  if (changes.empty()) return config;
  const std::string where = changes_path(file).string();
  const Json parsed = parse_json(changes, fmt::format("'{}'", where));
  const json& wanted = *parsed;
  expect(wanted.is_object(), ErrorKind::wrong_format, "'{}': expected a JSON object of configuration keys", where);
  const std::uint32_t width = config["head_dim"];
  for (const auto& [key, value] : wanted.items()) {
    expect(may_change(key), ErrorKind::wrong_format, "'{}': '{}' is no key that a WTS1 file leaves open", where, key);
    config[key] = value;
  }
  // More heads share the width that the tensors have.
  const json& heads = config["heads"];
  if (heads.is_number_integer() && heads > 0 && !wanted.contains("head_dim")) {
    expect(width % heads.get<std::uint64_t>() == 0, ErrorKind::wrong_format,
           "'{}': 'heads': expected a divisor of the attention width {}, found {}", where, width, text_of(heads));
    config["head_dim"] = width / heads.get<std::uint64_t>();
  }
  return config;
}

/// The keys of `config` that the page's own configuration does not have the same; the rest must be what shapes say.
std::string changes_from(const json& page, const json& config) {
  json changes = json::object();
  for (const auto& [key, value] : config.items()) {
    if (page.contains(key) ? page[key] == value : value.empty() || value == 0) continue;
    expect(may_change(key), ErrorKind::unsupported, "WTS1 file: no place for configuration '{}': {}",
           printable(key, name_length), text_of(value));
    changes[key] = value;
  }
  return changes.empty() ? "" : json_text(changes, 2) + "\n";
}

/// The size under `key`, within what a picture or a patch can be.
std::uint32_t size_in(const json& config, const char* key, const std::string& file) {
  const auto found = config.find(key);
  return static_cast<std::uint32_t>(
      whole_of(found == config.end() ? json() : *found, 1, 1024, fmt::format("{}: configuration '{}'", file, key)));
}

/// Whether a reader would make the same positions and configuration again; gives the changes that it needs for that.
std::string check_same(const Weights& model, const Weights& again) {
  const auto text = model.metadata.find("config");
  const Json parsed =
      text == model.metadata.end() ? Json() : parse_json(text->second, "WTS1 file: the model's configuration");
  const json& config = *parsed;
  expect(config.is_object(), ErrorKind::unsupported, "WTS1 file: the model has no configuration");
  std::string changes = changes_from(*parse_json(again.metadata.at("config"), "WTS1 file"), config);
  const std::uint32_t patch = size_in(config, "patch", "WTS1 file");
  const WeightView& first = again.tensors.at("patch_embed.weight");
  const std::vector<float> expected = positions(first.shape.at(0), size_in(config, "height", "WTS1 file") / patch,
                                                size_in(config, "width", "WTS1 file") / patch);
  const auto found = model.tensors.find("pos_embed");
  const std::vector<float> values = found == model.tensors.end() ? std::vector<float>() : read_f32(found->second);
  const bool same = std::ranges::equal(values, expected, [](float a, float b) { return std::fabs(a - b) <= 1e-3f; });
  expect(same, ErrorKind::unsupported, "WTS1 file: no key for tensor 'pos_embed', and a reader would make another");
  return changes;
}

}  // namespace

std::shared_ptr<const Weights> to_model(const std::shared_ptr<const Weights>& tensors, const std::string& file,
                                        const std::string& changes) {
  const Layout layout(*tensors, file);
  expect(layout.size(Size::dim) % 4 == 0 && layout.size(Size::dim) >= 8 && layout.size(Size::dim) <= 16384,
         ErrorKind::wrong_format, "weights '{}': positions need a dim of 8 to 16384 that four divides, found {}", file,
         layout.size(Size::dim));
  const json config = changed(page_config(layout, depth_of(*tensors), file), changes, file);

  auto owned = std::make_shared<OwnedWeights>(OwnedWeights{tensors, {}});
  auto model = std::make_shared<Weights>();
  for (const Stack& stack : layout.stacks()) {
    const WeightView& first = tensors->tensors.at(stack.parts.front().key);
    if (stack.parts.size() == 1 && !layout.transposed()) {
      model->tensors[stack.name] = {stack.name, first.dtype, first.shape, first.bytes, first.scales};
      continue;
    }
    std::vector<float> values;
    for (const Role& part : stack.parts) {
      const std::vector<float> rows = matrix_of(tensors->tensors.at(part.key), layout.transposed());
      values.insert(values.end(), rows.begin(), rows.end());
    }
    const auto parts = static_cast<std::uint32_t>(stack.parts.size());
    add(*model, *owned, stack.name, {parts * layout.size(stack.parts[0].out), layout.size(stack.parts[0].in)},
        std::move(values));
  }
  const std::string where = fmt::format("'{}'", changes_path(file).string());
  const std::uint32_t patch = size_in(config, "patch", where);
  const std::uint32_t down = size_in(config, "height", where) / patch, across = size_in(config, "width", where) / patch;
  add(*model, *owned, "pos_embed", {down * across, layout.size(Size::dim)},
      positions(layout.size(Size::dim), down, across));
  model->metadata = {{"format", "ditsrc/1"}, {"config", json_text(config)}};
  model->file_bytes = tensors->file_bytes;
  model->owner = std::move(owned);
  return model;
}

FromModel from_model(const std::shared_ptr<const Weights>& model) {
  std::uint32_t depth = 0;
  while (model->tensors.contains(fmt::format("blocks.{}.attn.qkv.weight", depth))) ++depth;
  auto owned = std::make_shared<OwnedWeights>(OwnedWeights{model, {}});
  auto tensors = std::make_shared<Weights>();
  std::set<std::string> known = {"pos_embed"};
  for (const Stack& stack : stacks_of(depth)) {
    const auto found = model->tensors.find(stack.name);
    expect(found != model->tensors.end(), ErrorKind::unsupported, "WTS1 file: tensor '{}': expected, not there",
           stack.name);
    known.insert(stack.name);
    const Shape& shape = found->second.shape;
    const auto parts = static_cast<std::uint32_t>(stack.parts.size());
    expect(shape.size() == 2 && shape[0] % parts == 0, ErrorKind::unsupported,
           "WTS1 file: tensor '{}': expected {} matrices one below the other, found {}", stack.name, parts,
           to_string(shape));
    const std::uint32_t rows = shape[0] / parts;
    for (std::uint32_t i = 0; i < parts; ++i) {
      std::vector<float> values(std::uint64_t{rows} * shape[1]);
      read_f32(found->second, i * values.size(), values);
      add(*tensors, *owned, stack.parts[i].key, {rows, shape[1]}, std::move(values));
    }
  }
  for (const auto& [name, view] : model->tensors) {
    expect(known.contains(name), ErrorKind::unsupported, "WTS1 file: no key for tensor '{}' {}",
           printable(name, name_length), to_string(view.shape));
  }
  tensors->metadata["format"] = format;
  tensors->owner = std::move(owned);
  return {tensors, check_same(*model, *to_model(tensors, "WTS1 file", ""))};
}

std::filesystem::path changes_path(const std::filesystem::path& weights) { return weights.string() + ".json"; }

bool are_changes(const std::string& text) {
  if (text.empty()) return true;
  try {
    const Json parsed = parse_json(text, "changes");
    const auto known = [](const auto& entry) { return may_change(entry.key()); };
    return parsed->is_object() && std::ranges::all_of(parsed->items(), known);
  } catch (const Error&) {
    return false;
  }
}

std::string read_changes(const std::filesystem::path& weights) {
  const std::filesystem::path path = changes_path(weights);
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return {};
  const std::string text = read_text(path, most_changes, "configuration");
  // An empty file is not JSON either, and must say so.
  return text.empty() ? " " : text;
}

}  // namespace dit::wts1
