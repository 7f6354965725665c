// SPDX-License-Identifier: MIT
// The fuzzers' seed corpus, replayed: every reader returns or throws Error on every file, also on those of the others.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/fuzz/targets.h"

namespace dit::test {
namespace {

std::vector<std::byte> read(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(stream), {});
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

TEST(FuzzCorpus, NoFileTakesAReaderDown) {
  const std::filesystem::path corpus = std::string(DIT_SOURCE_DIR) + "/tests/fuzz/corpus";
  std::vector<std::string> folders;
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(corpus)) {
    if (entry.is_directory()) folders.push_back(entry.path().filename());
    if (!entry.is_regular_file()) continue;
    const std::vector<std::byte> whole = read(entry.path());
    for (const fuzz::Target& target : fuzz::targets()) {
      SCOPED_TRACE(entry.path().string() + " as " + target.name);
      EXPECT_NO_THROW(target.run(whole));
      for (std::size_t size = 0; size < whole.size(); size += 1 + whole.size() / 16) {
        const std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
        EXPECT_NO_THROW(target.run(cut));
      }
    }
    ++files;
  }
  std::vector<std::string> names;
  for (const fuzz::Target& target : fuzz::targets()) names.emplace_back(target.name);
  std::ranges::sort(names);
  std::ranges::sort(folders);
  // Not all that is fuzzed is a reader.
  EXPECT_TRUE(std::ranges::includes(folders, names));
  EXPECT_GE(files, 40u);
}

}  // namespace
}  // namespace dit::test
