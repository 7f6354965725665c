// SPDX-License-Identifier: MIT
// WTS1 files: read, written, turned into models either way round; every broken one gives an error that names the thing.
#include "engine/model/formats/wts1.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/error.h"
#include "engine/model/formats/open.h"
#include "engine/model/formats/wts1_model.h"
#include "engine/session/session.h"
#include "tests/engine/support/formula_weights.h"

namespace dit::test {
namespace {

namespace fs = std::filesystem;

/// A folder of this test's own, gone when it ends.
class Wts1 : public ::testing::Test {
 protected:
  Wts1() : folder_(fs::temp_directory_path() / fmt::format("dit-wts1-{}", ::getpid())) {
    fs::create_directory(folder_);
  }
  ~Wts1() override { fs::remove_all(folder_); }

  fs::path write(const Weights& weights, const std::string& name = "zoo.wts") const {
    wts1::write(folder_ / name, weights);
    return folder_ / name;
  }
  void write_text(const std::string& name, const std::string& text) const { std::ofstream(folder_ / name) << text; }

  fs::path folder_;
};

std::string error_of(const std::function<void()>& action, ErrorKind kind = ErrorKind::wrong_format) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  return "no error";
}

void expect_names(const std::string& text, std::initializer_list<const char*> parts) {
  for (const char* part : parts) EXPECT_NE(text.find(part), std::string::npos) << "'" << part << "' in: " << text;
}

/// Bytes of a file made by hand.
class Bytes {
 public:
  Bytes& text(const char* value) {
    bytes_ += value;
    return *this;
  }
  Bytes& word(std::uint32_t value) {
    bytes_.append(reinterpret_cast<const char*>(&value), 4);
    return *this;
  }
  Bytes& number(float value) {
    bytes_.append(reinterpret_cast<const char*>(&value), 4);
    return *this;
  }
  /// "ab" of [2] with two numbers.
  static Bytes tensor(std::uint32_t elements = 2, float last = 2) {
    return Bytes().text("WTS1").word(1).word(2).text("ab").pad().word(1).word(2).word(elements).number(1).number(last);
  }
  Bytes& pad(char with = 0) {
    while (bytes_.size() % 4) bytes_ += with;
    return *this;
  }
  std::string error() const {
    return error_of([this] { wts1::parse(std::as_bytes(std::span(bytes_)), "zoo.wts", nullptr); });
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

TEST(Wts1Bytes, WholeFileIsRead) {
  const Bytes file = Bytes::tensor();
  const auto weights = wts1::parse(std::as_bytes(std::span(file.bytes())), "zoo.wts", nullptr);
  EXPECT_EQ(weights->tensors.at("ab").shape, Shape{2});
  EXPECT_EQ(read_f32(weights->tensors.at("ab")), (std::vector<float>{1, 2}));
  EXPECT_EQ(weights->metadata.at("format"), "WTS1");
}

TEST(Wts1Bytes, BrokenFilesAreNamed) {
  expect_names(Bytes().text("WTS").error(), {"zoo.wts", "magic", "expected 4 bytes, found 3"});
  expect_names(Bytes().text("WTS2").word(0).error(), {"expected a WTS1 file"});
  expect_names(Bytes().text("WTS1").word(0xffffffff).error(), {"tensor count", "4294967295", "found 0 bytes"});
  expect_names(Bytes::tensor(3).error(), {"tensor 'ab'", "expected 2 elements for [2], found 3"});
  expect_names(Bytes::tensor(2, NAN).error(), {"tensor 'ab'", "element 1 of 2 is nan"});
  expect_names(Bytes::tensor(2, -INFINITY).error(), {"tensor 'ab'", "element 1 of 2 is -inf"});
  expect_names(Bytes::tensor().word(7).error(), {"4 bytes are left after the last of 1 tensors"});
  expect_names(Bytes().text("WTS1").word(1).word(2).text("ab").pad('x').word(0).word(1).number(1).error(),
               {"tensor 'ab'", "padding"});
  expect_names(Bytes().text("WTS1").word(1).word(99).text("ab").pad().word(0).word(1).error(),
               {"key of tensor 0", "expected 99 bytes"});
  expect_names(Bytes().text("WTS1").word(1).word(0).word(9).word(1).word(1).error(),
               {"tensor ''", "at most 8 dimensions, found 9"});
}

TEST(Wts1Bytes, CountsBeyond32BitsAreRefused) {
  // 65537·65537 is 131073 in 32 bits, and 2³¹·4 is 0.
  Bytes file;
  file.text("WTS1").word(1).word(0).word(2).word(65537).word(65537).word(131073).number(1);
  expect_names(file.error(), {"[65537,65537] is more than 32 bits count"});
  Bytes zero;
  zero.text("WTS1").word(1).word(0).word(2).word(0x80000000).word(4).word(0).number(1);
  expect_names(zero.error(), {"[2147483648,4] is more than 32 bits count"});
  Bytes large;
  large.text("WTS1").word(1).word(0).word(1).word(0x40000000).word(0x40000000).number(1);
  expect_names(large.error(), {"expected 4294967296 bytes, found 4"});
}

TEST(Wts1Bytes, EveryTruncationIsAnError) {
  const std::string whole = Bytes::tensor().bytes();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string part = whole.substr(0, size);
    EXPECT_NE(error_of([&] { wts1::parse(std::as_bytes(std::span(part)), "zoo.wts", nullptr); }), "no error") << size;
  }
}

TEST(Wts1Bytes, TheSameKeyTwiceIsAnError) {
  Bytes file;
  file.text("WTS1").word(2);
  for (int i = 0; i < 2; ++i) file.word(4).text("same").word(1).word(1).word(1).number(1);
  expect_names(file.error(), {"tensor 'same' is there twice"});
}

TEST_F(Wts1, EitherLayoutGivesTheSameModel) {
  const auto straight = Model::open(write(*formula_weights(small_sizes), "straight.wts"));
  const auto turned = Model::open(write(*formula_weights(small_sizes, true), "turned.wts"));
  const ModelConfig& c = straight->config();
  EXPECT_EQ(c.name, "straight");
  EXPECT_EQ(std::tuple(c.dim, c.depth, c.heads, c.head_size(), c.mlp_dim, c.cond_dim, c.time_dim, c.patch),
            std::tuple(24u, 2u, 1u, 12u, 40u, 8u, 12u, 16u));
  ASSERT_EQ(straight->weights()->tensors.size(), turned->weights()->tensors.size());
  for (const auto& [name, view] : straight->weights()->tensors) {
    EXPECT_EQ(turned->weight(name).shape, view.shape) << name;
    EXPECT_EQ(read_f32(turned->weight(name)), read_f32(view)) << name;
  }
}

/// The small weights with the shape of one tensor changed; its bytes follow.
std::string error_with_shape(const char* key, Shape shape, const DiffusorSizes& sizes = small_sizes) {
  const auto weights = formula_weights(sizes);
  std::vector<float> values(element_count(shape));
  weights->tensors.at(key).shape = shape;
  weights->tensors.at(key).bytes = std::as_bytes(std::span(values));
  return error_of([&] { Model::from(weights, "zoo.wts"); });
}

TEST(Wts1Model, AMixOfLayoutsIsRefused) {
  expect_names(error_with_shape("block_1.attn.to_q.weight", {24, 12}),
               {"zoo.wts", "a mix of layouts", "'patch_embed.weight' [24,768] is [out,in]",
                "'block_1.attn.to_q.weight' [24,12] is [in,out]"});
  expect_names(error_with_shape("time_mlp.1.weight", {12, 8}), {"a mix of layouts", "'time_mlp.1.weight' [12,8]"});
}

TEST(Wts1Model, SquareTensorsAloneDoNotTellTheLayout) {
  // Attention, MLP, condition and 3·patch² as wide as the network, and the time's features are half of it: all square.
  const DiffusorSizes sizes = {.dim = 48, .depth = 1, .head = 48, .mlp = 48, .time = 48, .patch = 4};
  const auto weights = formula_weights(sizes);
  std::vector<float> square(48 * 48);
  weights->tensors.at("time_mlp.1.weight").shape = {48, 48};
  weights->tensors.at("time_mlp.1.weight").bytes = std::as_bytes(std::span(square));
  expect_names(error_of([&] { Model::from(weights, "zoo.wts"); }), {"every tensor is square"});
  // With the usual features of the time one tensor is not, and that is enough.
  EXPECT_EQ(Model::from(formula_weights(sizes), "zoo.wts")->config().dim, 48u);
  EXPECT_EQ(read_f32(Model::from(formula_weights(sizes), "a")->weight("blocks.0.attn.qkv.weight")),
            read_f32(Model::from(formula_weights(sizes, true), "b")->weight("blocks.0.attn.qkv.weight")));
}

TEST(Wts1Model, ShapesThatDoNotGoTogetherAreNamed) {
  expect_names(error_with_shape("block_1.ff.net.0.weight", {41, 24}),
               {"'block_1.ff.net.0.weight' [41,24]", "expected mlp_dim 40", "'block_0.ff.net.0.weight'", "found 41"});
  expect_names(error_with_shape("block_0.norm2.shift.weight", {23, 8}), {"'block_0.norm2.shift.weight'", "[23,8]"});
  expect_names(error_with_shape("to_pixels.weight", {24}), {"'to_pixels.weight'", "expected a matrix, found [24]"});
  expect_names(error_with_shape("time_mlp.3.weight", {8, 9}), {"'time_mlp.3.weight' [8,9]", "cond_dim 8"});
  const auto odd = formula_weights(small_sizes);
  odd->tensors["block_1.ff.net.1.weight"] = odd->tensors.at("block_1.ff.net.0.weight");
  expect_names(error_of([&] { Model::from(odd, "zoo.wts"); }), {"'block_1.ff.net.1.weight'", "no favicon diffusor"});
  const auto less = formula_weights(small_sizes);
  less->tensors.erase("block_0.attn.to_v.weight");
  expect_names(error_of([&] { Model::from(less, "zoo.wts"); }), {"'block_0.attn.to_v.weight'", "not there"});
  // The head that training alone uses may be there.
  const auto more = formula_weights(small_sizes);
  more->tensors["proj_fin.bias"] = more->tensors.at("to_pixels.weight");
  EXPECT_EQ(Model::from(more, "zoo.wts")->config().depth, 2u);
}

TEST_F(Wts1, AFileOfKeysBesideItChangesTheConfiguration) {
  const fs::path path = write(*formula_weights(small_sizes));
  EXPECT_FALSE(Model::open(path)->config().norm.unbiased);
  write_text("zoo.wts.json", R"({"norm": "torch", "heads": 3, "name": "hippo", "height": 32})");
  const auto model = Model::open(path);
  EXPECT_TRUE(model->config().norm.unbiased && model->config().norm.eps_outside);
  EXPECT_EQ(model->config().head_size(), 4u);
  EXPECT_EQ(model->config().name, "hippo");
  EXPECT_EQ(model->config().tokens(), 8u);
  const auto error_with = [&](const char* text) {
    write_text("zoo.wts.json", text);
    return error_of([&] { Model::open(path); });
  };
  expect_names(error_with(R"({"nrom": "torch"})"), {"zoo.wts.json", "'nrom'"});
  expect_names(error_with(R"({"dim": 25})"), {"zoo.wts.json", "'dim'"});
  expect_names(error_with(R"({"heads": 5})"), {"'heads'", "divisor", "12", "5"});
  expect_names(error_with(R"({"height": 0})"), {"zoo.wts.json", "'height'", "found 0"});
  expect_names(error_with(R"({"norm": "batch"})"), {"zoo.wts", "'norm'", "wgsl, torch", "batch"});
  expect_names(error_with("[1]"), {"zoo.wts.json", "JSON object"});
  expect_names(error_with(""), {"zoo.wts.json", "is not JSON"});
}

TEST_F(Wts1, ModelsGoThereAndBack) {
  const auto tensors = formula_weights(small_sizes);
  const auto model = wts1::to_model(tensors, "zoo.wts", R"({"norm": "torch"})");
  const auto back = wts1::from_model(model);
  EXPECT_EQ(nlohmann::json::parse(back.changes).at("norm"), "torch");
  ASSERT_EQ(back.tensors->tensors.size(), tensors->tensors.size());
  for (const auto& [key, view] : tensors->tensors)
    EXPECT_EQ(read_f32(back.tensors->tensors.at(key)), read_f32(view)) << key;

  auto changed = std::make_shared<Weights>(*model);
  changed->tensors["patch_embed.bias"] = model->tensors.at("pos_embed");
  expect_names(error_of([&] { wts1::from_model(changed); }, ErrorKind::unsupported), {"'patch_embed.bias'"});
  changed = std::make_shared<Weights>(*model);
  std::vector<float> zeros(element_count(model->tensors.at("pos_embed").shape));
  changed->tensors["pos_embed"].bytes = std::as_bytes(std::span(zeros));
  expect_names(error_of([&] { wts1::from_model(changed); }, ErrorKind::unsupported), {"'pos_embed'"});
  changed = std::make_shared<Weights>(*model);
  auto config = nlohmann::json::parse(changed->metadata.at("config"));
  config["words"] = {"cat"};
  changed->metadata["config"] = config.dump();
  expect_names(error_of([&] { wts1::from_model(changed); }, ErrorKind::unsupported), {"'words'", "a list of 1"});
}

TEST_F(Wts1, ASessionPaintsFromTheFile) {
  const fs::path path = write(*formula_weights(small_sizes));
  SessionOptions options;
  options.model = path;
  options.device = "cpu";
  const auto session = Session::open(options);
  EXPECT_EQ(session->model().config().default_sampler, "ddpm");
  std::vector<std::uint8_t> icons[3];
  for (auto& icon : icons) {
    IconSettings settings;
    settings.seed = &icon == &icons[1] ? 2 : 1;
    session->begin(settings, 0, 1);
    EXPECT_EQ(session->steps(), 32u);
    session->advance(32);
    icon.resize(64 * 64 * 4);
    session->read(0, icon);
  }
  EXPECT_EQ(icons[0], icons[2]);
  EXPECT_NE(icons[0], icons[1]);
  for (std::size_t i = 3; i < icons[0].size(); i += 4) ASSERT_EQ(icons[0][i], 255);
  // Fewer steps of the other solvers.
  for (const Sampler sampler : {Sampler::ddim, Sampler::dpmpp_2m, Sampler::dpmpp_3m}) {
    IconSettings settings;
    settings.sampler = sampler;
    settings.steps = 8;
    session->begin(settings, 0, 1);
    session->advance(8);
  }
  IconSettings settings;
  settings.steps = 33;
  expect_names(error_of([&] { session->begin(settings, 0, 1); }, ErrorKind::settings), {"steps", "1 to 32", "33"});
  settings.steps = 8;
  settings.prompt = "hippo";
  expect_names(error_of([&] { session->begin(settings, 0, 1); }, ErrorKind::settings), {"without words"});
}

}  // namespace
}  // namespace dit::test
