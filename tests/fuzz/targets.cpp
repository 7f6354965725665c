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
#include "engine/model/quantised.h"
#include "tests/fuzz/server.h"

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

}  // namespace

const std::vector<Target>& targets() {
  using Bytes = std::span<const std::byte>;
  static const std::vector<Target> all = {
      {"safetensors", [](Bytes b) { guarded([b] { return safetensors::parse(b, "fuzz", nullptr); }); }},
      {"gguf", [](Bytes b) { guarded([b] { return gguf::parse(b, "fuzz", nullptr); }); }},
      {"onnx", [](Bytes b) { guarded([b] { return onnx::parse(b, "fuzz", nullptr); }); }},
      {"npy", [](Bytes b) { guarded([b] { return npy::parse(b, "fuzz", nullptr); }); }},
      {"wts1", [](Bytes b) { guarded([b] { return wts1::parse(b, "fuzz", nullptr); }); }},
      {"server", ask_server}};
  return all;
}

}  // namespace dit::fuzz
