// SPDX-License-Identifier: MIT
// Files appear whole or not at all, also where the file system cannot make one without a name.
#include "engine/files/new_file.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "engine/error.h"
#include "engine/files/unsynced.h"

namespace dit::test {
namespace {
namespace fs = std::filesystem;

class NewFiles : public ::testing::Test {
 protected:
  NewFiles() { fs::create_directories(folder_); }
  ~NewFiles() override { fs::remove_all(folder_); }

  static std::string content(const fs::path& path) {
    std::ifstream stream(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(stream), {});
  }
  std::size_t count() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  static void write(const fs::path& path, const std::string& text) {
    NewFile file(path);
    file.write(text);
    file.finish();
  }

  const fs::path folder_ = fs::temp_directory_path() / fmt::format("dit-new-{}", ::getpid());
};

TEST_F(NewFiles, AppearWholeOrNotAtAll) {
  const fs::path path = folder_ / "a";
  {
    NewFile file(path);
    file.write(std::string(100000, 'x'));
    EXPECT_FALSE(fs::exists(path));
  }
  EXPECT_EQ(count(), 0u) << "without finish() nothing stays";
  write(path, "one");
  EXPECT_EQ(content(path), "one");
  {
    NewFile file(path);
    file.write("two");
    EXPECT_EQ(content(path), "one");
  }
  EXPECT_EQ(content(path), "one");
  write(path, "three");
  EXPECT_EQ(content(path), "three");
  EXPECT_EQ(count(), 1u);
}

TEST_F(NewFiles, KeepTheModeOfWhatTheyReplace) {
  const fs::path path = folder_ / "a";
  write(path, "x");
  for (const mode_t mode : {0600u, 0640u, 0666u, 0755u}) {
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    write(path, "y");
    struct stat status = {};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777u, mode);
  }
  NewFile secret(folder_ / "secret", NewFile::For::owner);
  secret.finish();
  struct stat status = {};
  ASSERT_EQ(::stat((folder_ / "secret").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777u, 0600u);
}

TEST_F(NewFiles, GoWhereADescriptorOfOursStands) {
  const fs::path log = folder_ / "log", link = folder_ / "link";
  std::FILE* file = std::fopen(log.c_str(), "w");
  ASSERT_NE(file, nullptr);
  std::fputs("before ", file);
  std::fflush(file);
  const fs::path path = fmt::format("/dev/fd/{}", ::fileno(file));
  fs::create_symlink(path, link);
  write(path, "one ");
  write(link, "two ");
  expect_writable(path);
  { NewFile(path).write("never"); }
  std::fputs("after", file);
  std::fclose(file);
  EXPECT_EQ(content(log), "before one two after");
  EXPECT_TRUE(fs::is_symlink(link));
  EXPECT_EQ(count(), 2u);
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  write(fmt::format("/proc/self/fd/{}", ends[1]), "through");
  char read[8] = {};
  EXPECT_EQ(::read(ends[0], read, sizeof read), 7);
  EXPECT_STREQ(read, "through");
  EXPECT_THROW(NewFile(fmt::format("/dev/fd/{}", ends[0])), Error) << "cannot be written";
  ::close(ends[0]);
  ::close(ends[1]);
  EXPECT_THROW(NewFile(fmt::format("/dev/fd/{}", ends[1])), Error) << "is closed";
}

TEST_F(NewFiles, AreFoundImpossibleBeforeTheyAreMade) {
  EXPECT_NO_THROW(expect_writable(folder_ / "a"));
  EXPECT_EQ(count(), 0u);
  write(folder_ / "file", "x");
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  EXPECT_NO_THROW(expect_writable(folder_ / "pipe")) << "and nobody waits for its reader";
  EXPECT_NO_THROW(expect_writable("/dev/null"));
  for (const fs::path& bad :
       {folder_ / "no/a", folder_, folder_ / "file/a", folder_ / std::string(256, 'n'), fs::path(), folder_ / "no/"})
    EXPECT_THROW(expect_writable(bad), Error) << bad;
  EXPECT_EQ(content(folder_ / "file"), "x");
}

TEST_F(NewFiles, SayWhyTheyCannotBeWritten) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  try {
    write("/dev/full", "x");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "cannot write '/dev/full': No space left on device");
  }
}

TEST_F(NewFiles, ReplaceLinksThatLeadNowhereAndFollowOthers) {
  write(folder_ / "real", "old");
  fs::create_symlink("real", folder_ / "link");
  write(folder_ / "link", "new");
  EXPECT_EQ(content(folder_ / "real"), "new");
  EXPECT_TRUE(fs::is_symlink(folder_ / "link"));
  fs::create_symlink("nowhere", folder_ / "dangling");
  write(folder_ / "dangling", "x");
  EXPECT_EQ(content(folder_ / "dangling"), "x");
}

TEST_F(NewFiles, AreTheSameWhenTheDiskIsWaitedFor) {
  write(folder_ / "there", "old");
  fs::create_symlink("there", folder_ / "link");
  for (const char* name : {"new", "new", "link", "link"}) {
    NewFile file(folder_ / name);
    file.write("whole");
    file.finish(NewFile::Sync::now);
    EXPECT_EQ(content(folder_ / name), "whole");
  }
  EXPECT_TRUE(fs::is_symlink(folder_ / "link"));
  EXPECT_EQ(count(), 3u);
  NewFile through("/dev/null");
  through.write("gone");
  EXPECT_NO_THROW(through.finish(NewFile::Sync::now)) << "a device is not waited for";
}

TEST_F(NewFiles, ThatSomebodyTookAwayAreNotMissedAtTheEnd) {
  Unsynced unsynced;
  unsynced.add(folder_ / "never");
  for (std::uint64_t i = 0; i < 2 * Unsynced::few; ++i) {
    const fs::path path = folder_ / fmt::format("{}", i);
    write(path, "x");
    unsynced.add(path);
    if (i % 2 == 0) fs::remove(path);
  }
  EXPECT_NO_THROW(unsynced.sync());
  EXPECT_EQ(count(), Unsynced::few);
}

}  // namespace
}  // namespace dit::test
