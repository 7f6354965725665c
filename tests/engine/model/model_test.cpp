// SPDX-License-Identifier: MIT
// A weight file is checked before it is used: each broken one gives an error that names the thing.
#include "engine/model/model.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "engine/error.h"
#include "engine/model/formats/safetensors.h"
#include "engine/network/dit.h"
#include "tests/engine/support/golden.h"

namespace dit::test {
namespace {

/// The tiny golden model with one thing changed; "no error" or the error's text.
template <typename Change>
std::string error_after(const Change& change) {
  auto weights = std::make_shared<Weights>(*safetensors::open(golden_path("tiny.safetensors")));
  auto config = nlohmann::json::parse(weights->metadata.at("config"));
  change(*weights, config);
  weights->metadata["config"] = config.dump();
  try {
    Model::from(weights, "zoo.safetensors");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::wrong_format) << error.what();
    return error.what();
  }
  return "no error";
}

std::string error_with(const char* key, const nlohmann::json& value) {
  return error_after([&](Weights&, nlohmann::json& config) { config[key] = value; });
}

void expect_names(const std::string& text, std::initializer_list<const char*> parts) {
  for (const char* part : parts) EXPECT_NE(text.find(part), std::string::npos) << "'" << part << "' in: " << text;
}

TEST(Model, TinyModelOpens) {
  EXPECT_EQ(error_after([](Weights&, nlohmann::json&) {}), "no error");
  const auto model = Model::open(golden_path("tiny.safetensors"));
  EXPECT_EQ(model->config().height, 12u);
  EXPECT_EQ(model->config().width, 8u);
  EXPECT_EQ(model->config().tokens(), 6u);
}

TEST(Model, ShippedModelOpens) {
  const auto model = Model::open(std::string(DIT_SOURCE_DIR) + "/models/icons.safetensors");
  const ModelConfig& c = model->config();
  EXPECT_EQ(c.width, 64u);
  EXPECT_EQ(c.channels, 4u);
  const Program program = record(c, {});
  EXPECT_GT(flop_count(program, program.step), 1e9);
}

TEST(Model, MissingOrMisshapenTensorsAreNamed) {
  expect_names(error_after([](Weights& w, nlohmann::json&) { w.tensors.erase("blocks.1.mlp.fc1.weight"); }),
               {"zoo.safetensors", "'blocks.1.mlp.fc1.weight'", "expected [40,24]", "not there"});
  const auto turn = [](Weights& w, nlohmann::json&) { w.tensors.at("pos_embed").shape = {24, 6}; };
  expect_names(error_after(turn), {"'pos_embed'", "expected [6,24]", "file has f32 [24,6]"});
  expect_names(error_after([](Weights& w, nlohmann::json&) { w.tensors.erase("word_proj.bias"); }),
               {"'word_proj.bias'"});
}

TEST(Model, BadConfigurationsAreNamed) {
  expect_names(error_with("dim", 25), {"dim 25", "heads 3"});
  expect_names(error_with("head_dim", 0), {"'head_dim'", "from 1 to", "found 0"});
  expect_names(error_with("head_dim", 16), {"'blocks.0.attn.qkv.weight'", "expected [144,24]"});
  expect_names(error_with("window", 2), {"'window'", "from 4 to", "found 2"});
  expect_names(error_with("window", 7), {"window 7", "patch 4", "even"});
  expect_names(error_with("window", 6), {"'patch_embed.weight'", "expected [24,144]"});
  expect_names(error_with("activation", "relu"), {"'activation'", "gelu_erf, gelu_tanh", "'relu'"});
  expect_names(error_with("norm_deviation", "sample"), {"'norm_deviation'", "population, unbiased", "'sample'"});
  expect_names(error_with("norm_eps_place", 1), {"'norm_eps_place'", "wrong type"});
  expect_names(error_with("gated", false), {"'blocks.0.modulation.weight'", "expected [96,20]"});
  expect_names(error_with("rounding", "up"), {"'rounding'", "nearest, floor"});
  expect_names(error_with("time_spacing", "log"), {"'time_spacing'", "exclusive, inclusive"});
  expect_names(error_with("dim", "wide"), {"'dim'", "whole number", "found \"wide\""});
  expect_names(error_with("depth", 0), {"'depth'", "from 1 to 256, found 0"});
  expect_names(error_with("depth", -3), {"'depth'", "found -3"});
  expect_names(error_with("patch", 5), {"8x12", "patch 5"});
  expect_names(error_with("channels", 3), {"premultiplied", "3 channels"});
  expect_names(error_with("prediction", "y"), {"'prediction'", "x, epsilon, v", "'y'"});
  expect_names(error_with("prediction", "epsilon"), {"epsilon", "flow"});
  expect_names(error_with("time_dim", 17), {"time_dim 17"});
  expect_names(error_with("schedule", 3), {"lacks 'type'"});
  expect_names(error_with("schedule", {{"type", "rectified"}}), {"'type'", "rectified"});
  expect_names(error_with("norm", "batch"), {"'norm'", "batch"});
  expect_names(error_with("words", {"one"}), {"'word_embed.weight'"});
  expect_names(error_after([](Weights&, nlohmann::json& c) { c.erase("heads"); }), {"lacks 'heads'"});
  expect_names(error_after([](Weights& w, nlohmann::json&) { w.metadata.erase("format"); }), {"'ditsrc/1'"});
  expect_names(error_after([](Weights&, nlohmann::json& c) { c = 7; }), {"not a JSON object"});
}

/// A head of these layers, with a key changed or taken away.
nlohmann::json detail_with(const char* key, const nlohmann::json& value) {
  nlohmann::json detail = {{"channels", 3}, {"hidden", 5}, {"layers", 3}};
  detail[key] = value;
  if (value.is_null()) detail.erase(key);
  return detail;
}

TEST(Model, PartsThatAreSwitchedOffAreNoParts) {
  for (const nlohmann::json& off : {nlohmann::json(), nlohmann::json(0), nlohmann::json(false)}) {
    EXPECT_EQ(error_with("context", off), "no error");
    EXPECT_EQ(error_with("detail", off), "no error");
  }
}

TEST(Model, BadPartsAreNamed) {
  expect_names(error_with("context", 8), {"'context.word.weight'", "expected [20,20]", "not there"});
  expect_names(error_with("context", -1), {"'context'", "expected a whole number from 0 to 256, found -1"});
  expect_names(error_with("context", 257), {"'context'", "found 257"});
  expect_names(error_with("context", "all"), {"'context'", "expected a whole number from 0 to 256, found \"all\""});
  const auto without = [](const char* key) {
    return error_after([&](Weights&, nlohmann::json& c) {
      c["context"] = 2;
      c.erase(key);
    });
  };
  expect_names(without("words"), {"'context'", "'words' and 'styles'", "no words"});
  expect_names(without("styles"), {"'context'", "'words' and 'styles'", "no styles"});
  expect_names(error_with("detail", detail_with("channels", 3)), {"'final.linear.weight'", "expected [48,24]"});
  expect_names(error_with("detail", true), {"'detail'", "channels, hidden and layers", "true"});
  expect_names(error_with("detail", detail_with("channels", nullptr)), {"lacks 'detail.channels'"});
  expect_names(error_with("detail", detail_with("channels", 0)),
               {"'detail.channels'", "expected a whole number from 1 to 256, found 0"});
  expect_names(error_with("detail", detail_with("hidden", 1025)), {"'detail.hidden'", "found 1025"});
  expect_names(error_with("detail", detail_with("layers", 1)),
               {"'detail.layers'", "expected a whole number from 2 to 64, found 1"});
  expect_names(error_with("detail", detail_with("layers", "three")),
               {"'detail.layers'", "expected a whole number from 2 to 64, found \"three\""});
  const std::string windows = error_after([](Weights&, nlohmann::json& c) {
    c["detail"] = detail_with("layers", 2);
    c["window"] = 6;
  });
  expect_names(windows, {"'detail'", "window of the patch, 4, found 6"});
}

TEST(Model, PartsAreRead) {
  const auto model = Model::open(golden_path("tiny-detail.safetensors"));
  const ModelConfig& c = model->config();
  const auto config = nlohmann::json::parse(model->weights()->metadata.at("config"));
  EXPECT_EQ(c.context, config["context"]);
  EXPECT_EQ(c.context_rows(), c.context + 1);
  ASSERT_TRUE(c.detail);
  EXPECT_EQ(c.detail->channels, config["detail"]["channels"]);
  EXPECT_EQ(c.detail->hidden, config["detail"]["hidden"]);
  EXPECT_EQ(c.detail->layers, config["detail"]["layers"]);
}

TEST(Model, NumbersThatMeanNothingAreRefused) {
  const nlohmann::json linear = {{"type", "vp-linear"}, {"timesteps", 100}, {"beta_start", 1e-4}, {"beta_end", 0.02}};
  const auto with = [](nlohmann::json object, const char* key, const nlohmann::json& value) {
    object[key] = value;
    return object;
  };
  EXPECT_EQ(error_with("schedule", linear), "no error");
  for (const nlohmann::json& bad : {nlohmann::json(-5), nlohmann::json(2), nlohmann::json(1e300), nlohmann::json(0)}) {
    expect_names(error_with("schedule", with(linear, "beta_start", bad)), {"'beta_start'"});
    expect_names(error_with("schedule", with(linear, "beta_end", bad)), {"'beta_end'"});
  }
  expect_names(error_with("schedule", with(linear, "timesteps", 4294967297)), {"'timesteps'", "4294967297"});
  expect_names(error_with("schedule", {{"type", "vp-cosine"}, {"timesteps", 100}, {"offset", -1}}), {"'offset'", "-1"});
  // Each beta will do, and yet 100000 of them leave no picture: alpha is 0 in f64, and noise is x less nothing over it.
  auto washed_out = with(with(linear, "timesteps", 100000), "beta_end", 0.5);
  const auto noise = [&](Weights&, nlohmann::json& config) {
    config["schedule"] = washed_out;
    config["prediction"] = "epsilon";
  };
  expect_names(error_after(noise), {"no finite step 1"});
  for (const nlohmann::json& bad :
       {nlohmann::json(-1), nlohmann::json(1.5), nlohmann::json(true), nlohmann::json("1")}) {
    expect_names(error_with("norm_eps", bad), {"'norm_eps'", "from 0 to 1"});
    expect_names(error_with("qk_norm_eps", bad), {"'qk_norm_eps'", "from 0 to 1"});
  }
  for (const nlohmann::json& bad : {nlohmann::json(24.9), nlohmann::json(-24), nlohmann::json(true),
                                    nlohmann::json(4294967320), nlohmann::json(18446744073709551615u)})
    expect_names(error_with("dim", bad), {"'dim'", "whole number"});
  EXPECT_EQ(error_with("dim", 24.0), "no error");
  for (const nlohmann::json& bad : {nlohmann::json(4294967304), nlohmann::json(8.5), nlohmann::json(-8)})
    expect_names(error_with("default_steps", bad), {"'default_steps'", "whole number"});
  expect_names(error_with("time_scale", 1e300), {"'time_scale'"});
}

TEST(Model, BadDefaultsFailAtOpen) {
  const auto error_of = [](const char* key, const nlohmann::json& value) -> std::string {
    auto weights = std::make_shared<Weights>(*safetensors::open(golden_path("tiny.safetensors")));
    auto config = nlohmann::json::parse(weights->metadata.at("config"));
    config[key] = value;
    weights->metadata["config"] = config.dump();
    try {
      Model::from(weights, "zoo");
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  expect_names(error_of("default_steps", 0), {"steps"});
  expect_names(error_of("default_sampler", "heun"), {"sampler", "heun"});
  expect_names(error_of("default_guidance", -1), {"guidance"});
}

}  // namespace
}  // namespace dit::test
