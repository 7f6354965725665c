// SPDX-License-Identifier: MIT
#include "tests/fuzz/targets.h"

#include <algorithm>
#include <memory>
#include <string>

#include "engine/error.h"
#include "engine/model/formats/gguf.h"
#include "engine/model/formats/npy.h"
#include "engine/model/formats/onnx.h"
#include "engine/model/formats/open.h"
#include "engine/model/formats/safetensors.h"
#include "engine/model/formats/wts1.h"
#include "engine/model/formats/wts1_model.h"
#include "engine/model/model.h"
#include "engine/model/prompts/lexicon.h"
#include "engine/model/quantised.h"
#include "engine/network/dit.h"
#include "engine/network/solver.h"
#include "tests/fuzz/server.h"

namespace dit::fuzz {
namespace {

/// Reads the ends of every tensor, where an over-read would be, and all of the first ones.
void touch(const Weights& weights) {
  std::size_t budget = 1 << 20;  // so that a thousand tensors without an element stay quick
  for (const auto& [name, view] : weights.tensors) {
    const std::uint64_t count = element_count(view.shape);
    float last = 0;
    if (count > 0) read_f32(view, count - 1, std::span(&last, 1));
    if (count > budget) continue;
    budget -= count;
    (void)read_f32(view);
    (void)read_f64(view);
  }
}

/// A file that parses may also be a model.
void open_model(const std::shared_ptr<const Weights>& weights) {
  const auto format = weights->metadata.find("format");
  if (format != weights->metadata.end() && format->second == wts1::format) {
    Model::from(wts1::to_model(weights, "fuzz", ""), "fuzz");
    return;
  }
  if (weights->metadata.contains("config")) Model::from(weights, "fuzz");
}

/// Every tensor of a network of this size, so that a configuration that fits it opens.
std::shared_ptr<Weights> small_weights() {
  ModelConfig c;
  c.channels = 3;
  c.height = c.width = c.patch = 2;
  c.dim = c.mlp_dim = c.cond_dim = 4;
  c.depth = c.heads = 1;
  c.time_dim = 2;
  static const std::vector<std::byte> zeros(1 << 10);
  auto weights = std::make_shared<Weights>();
  const auto add = [&](const std::string& name, const Shape& shape) {
    weights->add({name, DType::f32, shape, std::span(zeros).first(4 * element_count(shape)), {}}, "fuzz");
  };
  for (const TensorInfo& tensor : record(c, PlanShape{}).tensors)
    if (tensor.kind == TensorKind::weight) add(tensor.name, tensor.shape);
  for (const char* name : {"time_mlp.2", "word_proj"}) {
    add(std::string(name) + ".weight", {4, 4});
    add(std::string(name) + ".bias", {4});
  }
  add("time_mlp.0.weight", {4, 2});
  add("time_mlp.0.bias", {4});
  add("style_embed.weight", {1, 4});
  add("word_embed.weight", {1, 4});
  weights->metadata["format"] = "ditsrc/1";
  return weights;
}

/// What a model that opens is asked for first.
void start(const Model& model) {
  for (const Sampler sampler : all_samplers()) {
    try {
      solver_table(model.config(), sampler, model.config().default_steps, model.config().default_guidance);
    } catch (const Error&) {
    }
  }
}

void run_config(std::span<const std::byte> text) {
  static const std::shared_ptr<const Weights> known = small_weights();
  auto weights = std::make_shared<Weights>(*known);
  weights->metadata["config"] = {reinterpret_cast<const char*>(text.data()), text.size()};
  try {
    start(*Model::from(weights, "fuzz"));
  } catch (const Error&) {
  }
}

/// The file beside a WTS1 file.
void run_changes(std::span<const std::byte> text) {
  static const std::shared_ptr<const Weights> tensors =
      open_weights(std::string(DIT_SOURCE_DIR) + "/tests/fuzz/corpus/wts1/model.bin");
  try {
    const std::string changes(reinterpret_cast<const char*>(text.data()), text.size());
    start(*Model::from(wts1::to_model(tensors, "fuzz", changes), "fuzz"));
  } catch (const Error&) {
  }
}

template <typename Parse>
void guarded(const Parse& parse) {
  try {
    const std::shared_ptr<const Weights> weights = parse();
    touch(*weights);
    touch(*dequantised(weights));
    open_model(weights);
  } catch (const Error&) {
  }
}

/// Looks up every key of the first blocks and what lies between, and reads every answer.
void read_lexicon(std::span<const std::byte> bytes) {
  try {
    const auto lexicon = Lexicon::parse(bytes, "fuzz", nullptr);
    (void)lexicon->language_of("de_DE.UTF-8");
    std::vector<std::string> keys = {"", "a", "katze", "\xf0\x9f\x8d\x95", "\xff"};
    for (std::size_t i = 0; i < keys.size() && i < 64; ++i) {
      std::size_t sum = 0;
      for (const Answer& answer : lexicon->find(keys[i])) sum += answer.concept_text.size() + answer.languages;
      // So that the reads above are not left out.
      if (sum == 1) (void)lexicon->has_prefix("one");
      (void)lexicon->has_prefix(keys[i] + " ");
      for (std::string& key : lexicon->around(keys[i], 8)) {
        if (std::ranges::find(keys, key) == keys.end()) keys.push_back(std::move(key));
      }
    }
  } catch (const Error&) {
  }
}

}  // namespace

const std::vector<Target>& targets() {
  using Span = std::span<const std::byte>;
  static const std::vector<Target> all = {
      {"safetensors", [](Span b) { guarded([b] { return safetensors::parse(b, "fuzz", nullptr); }); }},
      {"gguf", [](Span b) { guarded([b] { return gguf::parse(b, "fuzz", nullptr); }); }},
      {"onnx", [](Span b) { guarded([b] { return onnx::parse(b, "fuzz", nullptr); }); }},
      {"npy", [](Span b) { guarded([b] { return npy::parse(b, "fuzz", nullptr); }); }},
      {"lexicon", read_lexicon},
      {"wts1", [](Span b) { guarded([b] { return wts1::parse(b, "fuzz", nullptr); }); }},
      {"config", run_config},
      {"changes", run_changes},
      {"server", ask_server}};
  return all;
}

}  // namespace dit::fuzz
