// SPDX-License-Identifier: MIT
// A file that is shortened, rewritten or replaced under its reader gives an error, and takes no process with it.
#include "engine/files/file_bytes.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

#include "engine/error.h"
#include "engine/model/formats/gguf.h"
#include "engine/model/formats/open.h"
#include "engine/model/model.h"
#include "engine/network/conditioning.h"
#include "engine/session/session.h"
#include "tests/engine/support/golden.h"

namespace dit::test {
namespace {
namespace fs = std::filesystem;

class Files : public ::testing::Test {
 protected:
  Files() { fs::create_directories(folder_); }
  ~Files() override { fs::remove_all(folder_); }

  fs::path file(const char* name, const std::string& content) const {
    std::ofstream(folder_ / name, std::ios::binary) << content;
    return folder_ / name;
  }
  /// A copy of a model of the tests.
  fs::path model(const char* name = "tiny.safetensors") const {
    fs::copy_file(golden_path(name), folder_ / name, fs::copy_options::overwrite_existing);
    return folder_ / name;
  }
  /// Later than anything that the file's clock can have seen.
  static void touch(const fs::path& path) {
    fs::last_write_time(path, fs::last_write_time(path) + std::chrono::seconds(5));
  }

  template <typename Do>
  static std::string error_of(const Do& work) {
    try {
      work();
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
  static void expect_has(const std::string& text, const char* part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }

  const fs::path folder_ = fs::temp_directory_path() / fmt::format("dit-files-{}", ::getpid());
};

TEST_F(Files, AreReadWhereTheyAreLookedAt) {
  std::string content(300000, '\0');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 7 + i / 1000);
  const auto opened = FileBytes::open(file("a", content));
  const Bytes all(*opened);
  const auto same = [&](std::size_t first, std::size_t count) {
    const auto bytes = all.subspan(first, count).read();
    return std::equal(bytes.begin(), bytes.end(), std::as_bytes(std::span(content)).begin() + static_cast<long>(first));
  };
  for (const auto& [first, count] : {std::pair(100u, 5000u), {299999u, 1u}, {0u, 1u}, {50u, 100000u}, {200000u, 10u}}) {
    EXPECT_TRUE(same(first, count)) << first;
    all.subspan(first, count).release();
    EXPECT_TRUE(same(first, count)) << first << " once more";
  }
  all.release();
  EXPECT_TRUE(same(0, content.size()));
  EXPECT_EQ(FileBytes::open(file("empty", ""))->room().size(), 0u);
}

TEST_F(Files, ThatShrinkOrChangeAreErrors) {
  const fs::path path = file("a", std::string(300000, 'x'));
  const auto opened = FileBytes::open(path);
  const Bytes all(*opened);
  (void)all.subspan(0, 10).read();
  fs::resize_file(path, 4096);
  expect_has(error_of([&] { (void)all.subspan(200000, 10).read(); }), "shorter than when it was opened");
  EXPECT_EQ(all.subspan(0, 10).read()[9], std::byte{'x'}) << "what was read stays";
  const auto other = FileBytes::open(file("b", std::string(300000, 'x')));
  touch(folder_ / "b");
  expect_has(error_of([&] { (void)Bytes(*other).subspan(0, 10).read(); }), "somebody has changed the file");
}

TEST_F(Files, ReplacedByANameAreReadOn) {
  const fs::path path = file("a", std::string(100000, 'x'));
  const auto opened = FileBytes::open(path);
  file("b", "y");
  fs::rename(folder_ / "b", path);
  EXPECT_EQ(Bytes(*opened).subspan(99999, 1).read()[0], std::byte{'x'});
}

TEST_F(Files, ThatAreNoneAreNotWaitedFor) {
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  for (const auto& [path, kind] : {std::pair(folder_ / "pipe", "found a pipe"),
                                   {folder_, "found a folder"},
                                   {fs::path("/dev/zero"), "found a device"}}) {
    expect_has(error_of([&] { (void)FileBytes::open(path); }), kind);
    expect_has(error_of([&] { (void)read_text(path, 10, "text"); }), kind);
  }
  EXPECT_EQ(read_text(file("t", "0123456789"), 10, "text"), "0123456789");
  expect_has(error_of([&] { (void)read_text(file("t", "0123456789a"), 10, "text"); }), "at most 10 bytes");
}

/// What is left of a file at each of these sizes, while a model of it is used.
TEST_F(Files, AModelSurvivesItsFile) {
  for (const std::uintmax_t left : {std::uintmax_t{0}, std::uintmax_t{100}, std::uintmax_t{9000}}) {
    const fs::path path = model();
    const auto opened = Model::open(path);
    const Conditioning conditioning(opened);
    fs::resize_file(path, left);
    // Rows of the vocabulary: read when it was opened, for whatever prompt comes.
    std::vector<float> row(opened->config().cond_dim);
    for (const char* prompt : {"fox", "red", "green tree"})
      EXPECT_NO_THROW(conditioning.label(parse_label(opened->config(), prompt, "flat"), row)) << prompt;
    // And the rest, which is wanted later: an error.
    expect_has(error_of([&] { (void)read_f32(opened->weight("blocks.1.mlp.fc2.weight")); }),
               "shorter than when it was opened");
    expect_has(error_of([&] { gguf::write(folder_ / "out.gguf", *opened->weights()); }), "cannot read");
    EXPECT_FALSE(fs::exists(folder_ / "out.gguf"));
  }
}

TEST_F(Files, ASessionChangesItsPromptAfterItsFileHasGone) {
  const fs::path path = model();
  const auto session = Session::open(Engine::open_own({.model = path, .device = "cpu", .options = {.threads = 1}}));
  IconSettings settings;
  settings.steps = 1;
  const auto paint = [&](const char* prompt) {
    settings.prompt = prompt;
    session->begin(settings, 0, 1);
    session->advance(1);
  };
  paint("fox");
  fs::resize_file(path, 0);
  for (const char* prompt : {"red car", "tree", ""}) EXPECT_NO_THROW(paint(prompt)) << prompt;
}

TEST_F(Files, WithHolesTakeNoMemory) {
  const fs::path path = file("w.wts", std::string("WTS1\1\0\0\0\1\0\0\0a\0\0\0\1\0\0\0\0\0\0\x10\0\0\0\x10", 28));
  fs::resize_file(path, 28 + (std::uintmax_t{1} << 30));
  // Every number of it is looked at.
  const auto weights = open_weights(path);
  EXPECT_EQ(weights->tensors.at("a").shape, Shape{1u << 28});
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with("VmRSS:")) continue;
    EXPECT_LT(std::stoull(line.substr(6)), 400000u) << "kB of a file of a GiB";
  }
}

}  // namespace
}  // namespace dit::test
