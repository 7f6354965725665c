// SPDX-License-Identifier: MIT
// An automatic fusion becomes what measures fastest, once; and whatever is wrong with the memory of it harms nobody.
#include "engine/vulkan/choose/tuning_file.h"

#include <dlfcn.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/network/dit.h"
#include "tests/engine/ops/pointwise.h"
#include "tests/engine/support/devices_under_test.h"
#include "tests/faults/faults.h"

namespace dit::test {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;

TEST(Tuning, TheFastestIsChosenButNotForAHair) {
  using Times = std::vector<std::pair<Fusion, double>>;
  const auto first = [](const Times& times) { return by_speed(times, Fusion::op).front(); };
  EXPECT_EQ(first({{Fusion::op, 1}, {Fusion::block, 0.5}, {Fusion::single, 0.4}}), Fusion::single);
  EXPECT_EQ(first({{Fusion::block, 0.5}, {Fusion::op, 0.4}}), Fusion::op);
  EXPECT_EQ(first({{Fusion::op, 1}, {Fusion::block, 0.98}}), Fusion::op);
  EXPECT_EQ(first({{Fusion::op, 1}, {Fusion::block, 0.96}}), Fusion::block);
  EXPECT_EQ(by_speed({{Fusion::op, 3}, {Fusion::block, 1}, {Fusion::none, 2}}, Fusion::op),
            (std::vector{Fusion::block, Fusion::none, Fusion::op}));
  EXPECT_TRUE(by_speed({}, Fusion::op).empty());
}

TEST(Tuning, EveryShapeHasAKeyOfItsOwn) {
  ModelConfig config = Model::open(std::string(DIT_SOURCE_DIR) + "/tests/golden/tiny.safetensors")->config();
  const std::string key = shape_key(record(config, {}));
  EXPECT_EQ(key, shape_key(record(config, {.batch = 1, .conditions = 1, .steps = 9}))) << "steps repeat one work";
  EXPECT_NE(key, shape_key(record(config, {.batch = 2})));
  EXPECT_NE(key, shape_key(record(config, {.batch = 1, .conditions = 2, .guided = true})));
  const auto changed = [&](auto&& change) {
    ModelConfig other = config;
    change(other);
    return shape_key(record(other, {}));
  };
  EXPECT_NE(key, changed([](ModelConfig& c) { c.mlp_dim += 8; }));
  EXPECT_NE(key, changed([](ModelConfig& c) { c.depth += 1; }));
  EXPECT_NE(key, changed([](ModelConfig& c) { c.width += c.patch; }));
  EXPECT_NE(key, changed([](ModelConfig& c) {
              c.head_dim = c.attention_dim() / (2 * c.heads);
              c.heads *= 2;
            }));
  EXPECT_NE(key.find("tokens "), std::string::npos) << key;
}

TEST(Tuning, GpusAreMeasuredUnlessTheUserSaysOtherwise) {
  DeviceInfo gpu, software;
  gpu.spec = "vulkan:0";
  gpu.hardware_gpu = true;
  software.spec = "vulkan:1";
  software.software = true;
  const std::string before = std::getenv("DIT_TUNE");  // main.cpp sets it
  unsetenv("DIT_TUNE");
  EXPECT_TRUE(is_tuned(gpu));
  EXPECT_FALSE(is_tuned(software));
  setenv("DIT_TUNE", "0", 1);
  EXPECT_FALSE(is_tuned(gpu));
  setenv("DIT_TUNE", "all", 1);
  EXPECT_TRUE(is_tuned(software));
  setenv("DIT_TUNE", before.c_str(), 1);
}

class TuningFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(folder_);
    cache_ = std::getenv("DIT_CACHE");
    tune_ = std::getenv("DIT_TUNE");
    setenv("DIT_CACHE", folder_.c_str(), 1);
    setenv("DIT_TUNE", "all", 1);
  }
  void TearDown() override {
    setenv("DIT_CACHE", cache_.c_str(), 1);
    setenv("DIT_TUNE", tune_.c_str(), 1);
    fs::remove_all(folder_);
  }

  json file() const {
    std::ifstream stream(folder_ / "tuning.json");
    return json::parse(stream);
  }
  void write(const std::string& text) const { std::ofstream(folder_ / "tuning.json") << text; }

  const fs::path folder_ = fs::temp_directory_path() / fmt::format("dit-tuning-{}", ::getpid());
  std::string cache_, tune_;
};

TEST_F(TuningFolder, RemembersAndForgetsTheOldest) {
  const TuningFile tuning{CacheFolder(folder_)};
  EXPECT_FALSE(tuning.recall("a"));
  tuning.remember("a", {Fusion::block, {{Fusion::op, 2.5}, {Fusion::block, 1}}});
  tuning.remember("b", {Fusion::single, {{Fusion::single, 1}}});
  ASSERT_TRUE(tuning.recall("a"));
  EXPECT_EQ(tuning.recall("a")->fusion, Fusion::block);
  EXPECT_EQ(tuning.recall("a")->milliseconds.size(), 2u);
  EXPECT_EQ(tuning.recall("b")->fusion, Fusion::single);
  EXPECT_FALSE(tuning.recall("c"));
  json all = file();
  for (int i = 0; i < 300; ++i) {
    all["entries"][fmt::format("n{}", i)] = {
        {"fusion", "op"}, {"milliseconds", json::object()}, {"date", fmt::format("2020-01-01T00:00:{:03}Z", i)}};
  }
  write(all.dump());
  tuning.remember("c", {Fusion::op, {}});
  EXPECT_EQ(file()["entries"].size(), 256u);
  EXPECT_TRUE(tuning.recall("a") && tuning.recall("b") && tuning.recall("c"));
  EXPECT_FALSE(tuning.recall("n46"));
  EXPECT_TRUE(tuning.recall("n47"));
}

TEST_F(TuningFolder, WhatIsNotOursIsIgnoredAndReplaced) {
  const TuningFile tuning{CacheFolder(folder_)};
  for (const char* text :
       {"", "{", "[]", "3", "\xff\xfe", R"({"format":"ditsrc-tuning/1"})",
        R"({"format":"ditsrc-tuning/1","entries":[1]})",
        R"({"format":"other","entries":{"a":{"fusion":"op","milliseconds":{}}}})",
        R"({"format":"ditsrc-tuning/1","entries":{"a":7}})",
        R"({"format":"ditsrc-tuning/1","entries":{"a":{"fusion":"all","milliseconds":{}}}})",
        R"({"format":"ditsrc-tuning/1","entries":{"a":{"fusion":"auto","milliseconds":{}}}})",
        R"({"format":"ditsrc-tuning/1","entries":{"a":{"fusion":"op"}}})",
        R"({"format":"ditsrc-tuning/1","entries":{"a":{"fusion":"op","milliseconds":{"op":"fast"}}}})"}) {
    write(text);
    EXPECT_FALSE(tuning.recall("a")) << text;
    tuning.remember("b", {Fusion::none, {}});
    EXPECT_TRUE(tuning.recall("b")) << text;
  }
}

TEST_F(TuningFolder, WithoutAFolderTheProcessRemembers) {
  const TuningFile nowhere{CacheFolder()}, blocked{CacheFolder(folder_ / "file/deeper")};
  std::ofstream(folder_ / "file") << "in the way";
  for (const TuningFile& tuning : {nowhere, blocked}) {
    EXPECT_FALSE(tuning.recall("only here"));
    tuning.remember("only here", {Fusion::block, {}});
    ASSERT_TRUE(tuning.recall("only here"));
    EXPECT_EQ(tuning.recall("only here")->fusion, Fusion::block);
  }
  EXPECT_FALSE(TuningFile(CacheFolder(folder_)).recall("only here"));
}

/// The executor with an automatic fusion, on a program of little work.
class TunedVulkan : public TuningFolder {
 protected:
  void SetUp() override {
    TuningFolder::SetUp();
    if (const std::string problem = vulkan_problem(); !problem.empty()) GTEST_SKIP() << "Vulkan: " << problem;
  }

  /// The fusion that a plan has in a fresh executor; its picture must be right.
  Fusion fusion_of_a_plan(const std::atomic<bool>& cancel = never_cancelled) const {
    const auto executor = vulkan::open(test_.weights, vulkan_index(), {.precision = Precision::f32},
                                       [this]() -> const SelfTest& { return test_; });
    EXPECT_EQ(executor->info().fusion, std::string(std::getenv("DIT_TUNE")) == "0" ? "op" : "auto");
    const auto plan = executor->plan(test_.program, cancel);
    plan->set_request(test_.request);
    plan->prepare(never_cancelled);
    plan->run(0, 3, never_cancelled);
    EXPECT_LE(error_of(test_, plan->read(test_.program.x)), 1e-5);
    return vulkan::fusion(*plan);
  }

  /// Lets the file say another fusion, which only somebody who does not measure takes up.
  void say(const char* fusion) const {
    json all = file();
    for (auto& [key, entry] : all["entries"].items()) entry["fusion"] = fusion;
    write(all.dump());
  }

  const SelfTest test_ = pointwise_test();
};

TEST_F(TunedVulkan, MeasuresOnceAndRemembers) {
  const Fusion chosen = fusion_of_a_plan();
  const json entries = file()["entries"];
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries.begin()->at("fusion"), name_of(chosen));
  const json& times = entries.begin()->at("milliseconds");
  EXPECT_GE(times.size(), vulkan_is_software() ? 3u : 4u) << times;
  for (const auto& [name, time] : times.items()) EXPECT_GT(time.get<double>(), 0) << name;
  for (const Fusion other : {Fusion::none, Fusion::block, Fusion::op}) {
    say(name_of(other));
    const json before = file();
    EXPECT_EQ(fusion_of_a_plan(), other);
    EXPECT_EQ(file(), before) << "nothing was measured again";
  }
}

TEST_F(TunedVulkan, IsMeasuredAnewWhereTheMemoryIsWrong) {
  fusion_of_a_plan();
  write("rubbish");
  fusion_of_a_plan();
  EXPECT_EQ(file()["entries"].size(), 1u);
  if (vulkan_is_software()) {
    say("single");  // is never measured on a software device
    EXPECT_NE(fusion_of_a_plan(), Fusion::single);
  }
  json all = file();
  const std::string key = all["entries"].begin().key();
  json moved = {{"format", all["format"]}, {"entries", {{"another driver" + key, all["entries"][key]}}}};
  write(moved.dump());
  fusion_of_a_plan();
  EXPECT_EQ(file()["entries"].size(), 2u);
}

TEST_F(TunedVulkan, IsNotMeasuredWhereTheUserSaysSo) {
  setenv("DIT_TUNE", "0", 1);
  EXPECT_EQ(fusion_of_a_plan(), Fusion::op);
  EXPECT_FALSE(fs::exists(folder_ / "tuning.json"));
}

TEST_F(TunedVulkan, ACancelLeavesNothingBehind) {
  const std::atomic<bool> cancelled{true};
  for (int i = 0; i < 3; ++i) {
    EXPECT_THROW(fusion_of_a_plan(cancelled), Cancelled);
    EXPECT_TRUE(file()["entries"].empty()) << file();
  }
  fusion_of_a_plan();
  EXPECT_TRUE(file()["entries"].begin()->contains("fusion"));
}

TEST_F(TunedVulkan, WhatTookTheProcessDownIsNotTriedForEver) {
  fusion_of_a_plan();
  json all = file();
  const std::string key = all["entries"].begin().key();
  const TuningFile tuning{CacheFolder(folder_)};
  tuning.note_unfinished(key, 1);
  EXPECT_FALSE(tuning.recall(key));
  EXPECT_EQ(tuning.unfinished(key), 1u);
  fusion_of_a_plan();
  EXPECT_TRUE(tuning.recall(key)) << "once may have been the user, who was in a hurry";
  EXPECT_EQ(tuning.unfinished(key), 0u);
  tuning.note_unfinished(key, 2);
  EXPECT_EQ(fusion_of_a_plan(), Fusion::op);
  EXPECT_FALSE(tuning.recall(key)) << "nothing was measured";
  tuning.note_unfinished(key, 0);
  EXPECT_TRUE(file()["entries"].empty());
}

TEST_F(TunedVulkan, WhatComputesWrongIsNotChosen) {
  const std::string layer = std::string(DIT_BUILD_DIR) + "/tests/faults";
  void* library = dlopen((layer + "/libdit_faults.so").c_str(), RTLD_NOW);
  ASSERT_NE(library, nullptr) << dlerror();
  const auto deaden = reinterpret_cast<DitFaultsDeaden>(dlsym(library, "dit_faults_deaden"));
  setenv("VK_ADD_LAYER_PATH", layer.c_str(), 1);
  setenv("VK_INSTANCE_LAYERS", "VK_LAYER_DIT_faults", 1);
  deaden("dispatch");  // and so it is fast
  EXPECT_EQ(fusion_of_a_plan(), Fusion::op);
  EXPECT_EQ(file()["entries"].begin()->at("fusion"), "op");
  say("block");
  EXPECT_EQ(fusion_of_a_plan(), Fusion::op) << "what was right once is judged again";
  deaden(nullptr);
  unsetenv("VK_ADD_LAYER_PATH");
  unsetenv("VK_INSTANCE_LAYERS");
}

}  // namespace
}  // namespace dit::test
