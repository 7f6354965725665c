// SPDX-License-Identifier: MIT
// What is remembered between runs: where, whole or not at all, and never in the way of painting.
#include "engine/files/cache_folder.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>

#include "engine/session/session.h"
#include "engine/vulkan/device/pipeline_file.h"
#include "tests/engine/support/devices_under_test.h"
#include "tests/engine/support/golden.h"

namespace dit::test {
namespace {
namespace fs = std::filesystem;

/// A folder of its own as the user's cache folder, and the environment as it was afterwards.
class Cache : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"DIT_CACHE", "XDG_CACHE_HOME", "HOME"}) {
      const char* value = std::getenv(name);
      before_.emplace_back(name, value ? std::optional<std::string>(value) : std::nullopt);
    }
    fs::create_directories(scratch_);
    setenv("DIT_CACHE", folder_.c_str(), 1);
  }
  void TearDown() override {
    for (const auto& [name, value] : before_) value ? setenv(name, value->c_str(), 1) : unsetenv(name);
    fs::permissions(scratch_, fs::perms::owner_all);
    fs::remove_all(scratch_);
  }

  static std::string text_of(const fs::path& file) {
    std::ifstream stream(file, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(stream), {});
  }

  std::vector<fs::path> files() const {
    std::vector<fs::path> result;
    if (!fs::exists(folder_)) return result;
    for (const auto& entry : fs::directory_iterator(folder_)) result.push_back(entry.path());
    return result;
  }

  const fs::path scratch_ = fs::temp_directory_path() / fmt::format("dit-cache-{}", ::getpid());
  const fs::path folder_ = scratch_ / "deep/er";
  std::vector<std::pair<const char*, std::optional<std::string>>> before_;
};

TEST_F(Cache, LiesWhereTheEnvironmentSays) {
  setenv("DIT_CACHE", "/mine", 1);
  setenv("XDG_CACHE_HOME", "/xdg", 1);
  setenv("HOME", "/house", 1);
  EXPECT_EQ(CacheFolder::of_user().path(), "/mine");
  setenv("DIT_CACHE", "", 1);
  EXPECT_EQ(CacheFolder::of_user().path(), "") << "empty: nothing is remembered";
  unsetenv("DIT_CACHE");
  EXPECT_EQ(CacheFolder::of_user().path(), "/xdg/ditsrc");
  setenv("XDG_CACHE_HOME", "relative", 1);
  EXPECT_EQ(CacheFolder::of_user().path(), "/house/.cache/ditsrc");
  unsetenv("HOME");
  EXPECT_EQ(CacheFolder::of_user().path(), "");
  EXPECT_FALSE(CacheFolder::of_user().write("a.bin", "x"));
}

TEST_F(Cache, KeepsWhatIsWhole) {
  const CacheFolder folder = CacheFolder::of_user();
  EXPECT_FALSE(folder.read("a.bin"));
  const std::string bytes("\0pq\xff", 4);
  ASSERT_TRUE(folder.write("a.bin", bytes));
  EXPECT_EQ(folder.read("a.bin"), bytes);
  const std::string file = text_of(folder_ / "a.bin");
  EXPECT_EQ(unsealed(file), bytes);
  std::ofstream(folder_ / "a.bin") << "somebody else's";
  EXPECT_FALSE(folder.read("a.bin"));
  for (std::size_t i = 0; i < file.size(); ++i) {
    EXPECT_FALSE(unsealed(file.substr(0, i))) << "cut at " << i;
    std::string wrong = file;
    wrong[i] = static_cast<char>(wrong[i] ^ 4);
    EXPECT_FALSE(unsealed(wrong)) << "bit wrong at " << i;
  }
  EXPECT_FALSE(unsealed(file + "x"));
  EXPECT_EQ(unsealed(sealed("")), "");
}

TEST_F(Cache, DoesWithoutWhatCannotBeReadOrWritten) {
  std::ofstream(scratch_ / "file") << "in the way";
  const CacheFolder under_file(scratch_ / "file/folder");
  EXPECT_FALSE(under_file.write("a.bin", "x"));
  EXPECT_FALSE(under_file.read("a.bin"));
  const CacheFolder folder = CacheFolder::of_user();
  ASSERT_TRUE(folder.write("a.bin", "x"));
  fs::create_directory(folder_ / "b.bin");
  EXPECT_FALSE(folder.write("b.bin", "x"));
  EXPECT_FALSE(folder.read("b.bin"));
  ASSERT_EQ(::mkfifo((folder_ / "pipe.bin").c_str(), 0600), 0);
  EXPECT_FALSE(folder.read("pipe.bin")) << "and is not waited for";
  EXPECT_FALSE(folder.write("c.bin", std::string(CacheFolder::most_bytes + 1, 'x')));
  EXPECT_EQ(files().size(), 3u) << "nothing half written is left";
  fs::resize_file(folder_ / "a.bin", 2 * CacheFolder::most_bytes);  // sparse
  EXPECT_FALSE(folder.read("a.bin"));
}

TEST_F(Cache, StaysSmallAndRemovesNothingThatItDidNotWrite) {
  const CacheFolder folder = CacheFolder::of_user();
  const auto now = fs::file_time_type::clock::now();
  folder.write("other.json", "x");
  const std::vector<std::string> foreign = {"pipelines_of_my_company_1.txt",
                                            "pipelines-notes.bin",
                                            "pipelines-a.bin.part1-0",
                                            "pipelines",
                                            "pipelines-a.txt",
                                            ".dit-note"};
  for (const std::string& name : foreign) {
    std::ofstream(folder_ / name) << "precious";
    fs::last_write_time(folder_ / name, now - std::chrono::hours(1000));
  }
  for (const char* name : {".dit-0123456789", ".dit-abcdef0123"}) std::ofstream(folder_ / name) << sealed("half");
  fs::last_write_time(folder_ / ".dit-0123456789", now - std::chrono::hours(2));
  for (int i = 0; i < 12; ++i) {
    const std::string name = fmt::format("pipelines-{}.bin", i);
    ASSERT_TRUE(folder.write(name, "x"));
    fs::last_write_time(folder_ / name, now - std::chrono::seconds(100 - i));
  }
  EXPECT_TRUE(folder.read("other.json"));
  for (const std::string& name : foreign) EXPECT_EQ(text_of(folder_ / name), "precious") << name;
  EXPECT_FALSE(fs::exists(folder_ / ".dit-0123456789")) << "a killed process left it";
  EXPECT_TRUE(fs::exists(folder_ / ".dit-abcdef0123")) << "somebody may be writing it";
  for (int i = 0; i < 12; ++i) EXPECT_EQ(folder.read(fmt::format("pipelines-{}.bin", i)).has_value(), i >= 4) << i;
}

TEST_F(Cache, MayBeNamedInAnyWay) {
  const fs::path before = fs::current_path();
  fs::current_path(scratch_);
  for (const char* name : {"relative", "with/slash/", "./dot"})
    EXPECT_TRUE(CacheFolder(name).write("a.bin", "x")) << name;
  fs::current_path(before);
  EXPECT_EQ(fs::status(scratch_ / "with/slash").permissions(), fs::perms::owner_all);
}

TEST_F(Cache, OfOthersIsLeftAlone) {
  const CacheFolder folder = CacheFolder::of_user();
  ASSERT_TRUE(folder.write("a.bin", "x"));
  EXPECT_EQ(fs::status(folder_).permissions(), fs::perms::owner_all);
  EXPECT_EQ(fs::status(folder_ / "a.bin").permissions(), fs::perms::owner_read | fs::perms::owner_write);
  for (const fs::perms others : {fs::perms::group_write, fs::perms::others_write}) {
    fs::permissions(folder_, others, fs::perm_options::add);
    EXPECT_FALSE(folder.read("a.bin"));
    EXPECT_FALSE(folder.write("b.bin", "x"));
    fs::permissions(folder_, others, fs::perm_options::remove);
    fs::permissions(folder_ / "a.bin", others, fs::perm_options::add);
    EXPECT_FALSE(folder.read("a.bin"));
    fs::permissions(folder_ / "a.bin", others, fs::perm_options::remove);
    EXPECT_TRUE(folder.read("a.bin"));
  }
  // A link is neither read nor written through.
  std::ofstream(scratch_ / "victim") << sealed("precious");
  fs::create_symlink(scratch_ / "victim", folder_ / "link.bin");
  EXPECT_FALSE(folder.read("link.bin"));
  EXPECT_FALSE(folder.write("link.bin", "x"));
  EXPECT_EQ(text_of(scratch_ / "victim"), sealed("precious"));
  if (::geteuid() != 0) return;
  ASSERT_EQ(::chown(folder_.c_str(), 12345, 12345), 0);
  EXPECT_FALSE(folder.read("a.bin"));
  EXPECT_FALSE(folder.write("a.bin", "y"));
}

TEST_F(Cache, ManyWritersDoNotHarmEachOther) {
  const CacheFolder folder = CacheFolder::of_user();
  ASSERT_TRUE(folder.write("a.bin", "start"));
  std::atomic<bool> done = false;
  std::thread reader([&] {
    while (!done) {
      const auto file = folder.read("a.bin");
      ASSERT_TRUE(file) << "half of one and half of another";
    }
  });
  std::vector<std::thread> writers;
  for (int w = 0; w < 4; ++w) {
    writers.emplace_back([&folder, w] {
      for (int i = 0; i < 50; ++i) EXPECT_TRUE(folder.write("a.bin", std::string(5000u * (w + 1u), "abcd"[w])));
    });
  }
  for (std::thread& writer : writers) writer.join();
  done = true;
  reader.join();
  EXPECT_EQ(files().size(), 1u);
}

TEST_F(Cache, DataOfAnotherDeviceIsNoneOfOurs) {
  vk::PhysicalDeviceProperties properties;
  properties.vendorID = 0x10de;
  properties.deviceID = 0x2335;
  for (std::uint8_t i = 0; i < VK_UUID_SIZE; ++i) properties.pipelineCacheUUID[i] = i;
  VkPipelineCacheHeaderVersionOne header = {.headerSize = sizeof(header),
                                            .headerVersion = VK_PIPELINE_CACHE_HEADER_VERSION_ONE,
                                            .vendorID = 0x10de,
                                            .deviceID = 0x2335,
                                            .pipelineCacheUUID = {}};
  std::memcpy(header.pipelineCacheUUID, properties.pipelineCacheUUID.data(), VK_UUID_SIZE);
  const auto fits = [&](const VkPipelineCacheHeaderVersionOne& h) {
    return vulkan::fits_device({reinterpret_cast<const char*>(&h), sizeof(h)}, properties);
  };
  EXPECT_TRUE(fits(header));
  EXPECT_FALSE(vulkan::fits_device({reinterpret_cast<const char*>(&header), sizeof(header) - 1}, properties));
  EXPECT_FALSE(vulkan::fits_device({}, properties));
  const auto changed = [&](auto&& change) {
    auto other = header;
    change(other);
    return fits(other);
  };
  EXPECT_FALSE(changed([](auto& h) { h.vendorID = 0x1002; }));
  EXPECT_FALSE(changed([](auto& h) { ++h.deviceID; }));
  EXPECT_FALSE(changed([](auto& h) { h.pipelineCacheUUID[15] = 0; }));
  EXPECT_FALSE(changed([](auto& h) { h.headerSize = 16; }));
  EXPECT_FALSE(changed([](auto& h) { h.headerSize = 4096; }));
  EXPECT_FALSE(changed([](auto& h) { h.headerVersion = static_cast<VkPipelineCacheHeaderVersion>(2); }));
}

/// Two steps of the tiny model by the plain kernels.
std::vector<std::uint8_t> painted() {
  const auto session = Session::open(Engine::open_own(
      {.model = golden_path("tiny.safetensors"), .device = fmt::format("vulkan:{}", vulkan_index()), .options = {}}));
  IconSettings settings;
  settings.steps = 2;
  session->begin(settings, 0, 1);
  session->advance(2);
  std::vector<std::uint8_t> picture(std::size_t{session->model().config().width} * session->model().config().height *
                                    4);
  session->read(0, picture);
  return picture;
}

TEST_F(Cache, CompiledKernelsAreKeptAndWhatIsWrongIsReplaced) {
  if (const std::string problem = vulkan_problem(); !problem.empty()) GTEST_SKIP() << "Vulkan: " << problem;
  setenv("DIT_CACHE", "", 1);
  const auto expected = painted();
  EXPECT_TRUE(files().empty());
  setenv("DIT_CACHE", folder_.c_str(), 1);
  EXPECT_EQ(painted(), expected);
  ASSERT_EQ(files().size(), 1u);
  const fs::path file = files().front();
  EXPECT_TRUE(file.filename().string().starts_with("pipelines-")) << file;
  const std::string good = text_of(file);
  ASSERT_TRUE(unsealed(good));
  EXPECT_GE(unsealed(good)->size(), sizeof(VkPipelineCacheHeaderVersionOne));

  EXPECT_EQ(painted(), expected) << "with what was kept";
  std::string foreign(*unsealed(good));
  foreign[8] = static_cast<char>(foreign[8] + 1);
  for (const std::string& bad : {std::string(), std::string("rubbish"), good.substr(0, good.size() - 1), good + good,
                                 sealed(foreign), sealed("")}) {
    std::ofstream(file, std::ios::binary) << bad;
    EXPECT_EQ(painted(), expected);
    EXPECT_TRUE(unsealed(text_of(file))) << "is written anew";
    EXPECT_NE(text_of(file), sealed(foreign));
  }
  fs::remove(file);
  fs::create_directory(file);
  EXPECT_EQ(painted(), expected) << "where it cannot be written";
}

}  // namespace
}  // namespace dit::test
