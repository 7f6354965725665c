// SPDX-License-Identifier: MIT
#include "tests/fuzz/targets.h"

#include <algorithm>
#include <memory>

#include "engine/error.h"
#include "engine/model/formats/gguf.h"
#include "engine/model/formats/npy.h"
#include "engine/model/formats/onnx.h"
#include "engine/model/formats/safetensors.h"
#include "engine/model/formats/wts1.h"
#include "engine/model/formats/wts1_model.h"
#include "engine/model/model.h"
#include "engine/model/prompts/lexicon.h"
#include "engine/model/quantised.h"

namespace dit::fuzz {
namespace {

/// Reads the ends of every tensor, where an over-read would be, and all of the first ones.
void touch(const Weights& weights) {
  std::size_t budget = 1 << 20;  // so that a thousand tensors over the same bytes stay quick
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
  using Bytes = std::span<const std::byte>;
  static const std::vector<Target> all = {
      {"safetensors", [](Bytes b) { guarded([b] { return safetensors::parse(b, "fuzz", nullptr); }); }},
      {"gguf", [](Bytes b) { guarded([b] { return gguf::parse(b, "fuzz", nullptr); }); }},
      {"onnx", [](Bytes b) { guarded([b] { return onnx::parse(b, "fuzz", nullptr); }); }},
      {"npy", [](Bytes b) { guarded([b] { return npy::parse(b, "fuzz", nullptr); }); }},
      {"lexicon", read_lexicon},
      {"wts1", [](Bytes b) { guarded([b] { return wts1::parse(b, "fuzz", nullptr); }); }}};
  return all;
}

}  // namespace dit::fuzz
