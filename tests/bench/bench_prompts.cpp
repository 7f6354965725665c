// SPDX-License-Identifier: MIT
// What the lexicon costs: opening a model, prompts of known words, the first other word, ten thousand of them.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/model/model.h"
#include "engine/model/prompts/prompt.h"
#include "engine/model/word_index.h"

namespace dit {
namespace {

const std::string models = DIT_SOURCE_DIR "/models/";

/// The model's configuration with a lexicon that is not open yet.
std::unique_ptr<const ModelConfig> with_lexicon(const Model& model) {
  auto config = std::make_unique<ModelConfig>(model.config());
  config->index = std::make_shared<const WordIndex>(*config);
  config->lexicon =
      std::make_shared<const LexiconFile>(std::vector<std::filesystem::path>{models + "lexicon.bin"}, "C");
  return config;
}

/// 0: the model's words alone; 1: as everybody's prompts are read.
void open_and_known_words(benchmark::State& state) {
  for (auto _ : state) {
    const auto model = Model::open(models + "icons.safetensors");
    const ModelConfig& config = model->config();
    benchmark::DoNotOptimize(state.range(0) ? read_prompt(config, "green apple, red car", "")
                                            : parse_label(config, "green apple, red car", ""));
  }
}
BENCHMARK(open_and_known_words)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

/// The model is open and has read a prompt; the lexicon is not open yet.
void first_other_word(benchmark::State& state) {
  const auto model = Model::open(models + "icons.safetensors");
  for (auto _ : state) {
    state.PauseTiming();
    const auto config = with_lexicon(*model);
    read_prompt(*config, "green apple", "");
    state.ResumeTiming();
    benchmark::DoNotOptimize(read_prompt(*config, "sparrow", ""));
  }
}
BENCHMARK(first_other_word)->Unit(benchmark::kMillisecond);

/// Words that nobody knows, and words that the lexicon knows.
void ten_thousand_words(benchmark::State& state) {
  const auto model = Model::open(models + "icons.safetensors");
  const auto config = with_lexicon(*model);
  std::string prompt = "dog";
  if (state.range(0) == 0) {
    for (int i = 0; i < 10000; ++i) prompt += " qx" + std::to_string(i * 7919);
  } else {
    std::string key = "a";
    for (int i = 0; i < 10000 && prompt.size() + 64 < most_prompt_bytes; ++i) {
      const auto next = config->lexicon->open()->around(key + '\x01', 1);
      key = next.back();
      prompt += " " + key;
    }
  }
  for (auto _ : state) benchmark::DoNotOptimize(read_prompt(*config, prompt, ""));
  state.counters["bytes"] = static_cast<double>(prompt.size());
}
BENCHMARK(ten_thousand_words)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace dit

BENCHMARK_MAIN();
