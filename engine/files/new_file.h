// SPDX-License-Identifier: MIT
// A file being written: it appears under its name when it is whole, or not at all.
#pragma once

#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace dit {

/// Until it is whole the file has no name, so that nothing is left of it however the process ends. File systems that
/// cannot do that get a random short name in the same folder, which remove_unfinished() removes.
/// A file that is there already keeps its mode and owner. It is written in place, all at the end, where no other can
/// take its name: a mount, a folder that is not ours to write to, a file of another owner. Devices and pipes
/// (/dev/null, /dev/stdout) are written through, and into a file that the process was given open (/dev/stdout,
/// /dev/fd/5) all is written at the end, where that stands.
class NewFile {
 public:
  enum class For { everybody, owner };
  enum class Sync {
    later,  ///< the system brings it to the disk when it likes
    now,    ///< it is on the disk before it has its name, and the name before finish() is back
  };

  /// reader  who may read a file that was not there before, as far as the umask lets them
  /// errors  unreadable: cannot be made. Cancelled: a signal came while a pipe had no reader, here and in write()
  explicit NewFile(const std::filesystem::path& path, For reader = For::everybody);
  /// Removes what was written unless finish() was called.
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  std::FILE* stream() noexcept { return file_.get(); }
  /// errors  unreadable: disk full and the like
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  /// Flushes and gives the file its name. Devices and pipes are not waited for. errors: unreadable
  void finish(Sync sync = Sync::later);

 private:
  struct Close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };
  class Folder;
  enum class Way { through, nameless, named, in_place, at_own_place };

  void open_own(int descriptor);
  void open_staged(int mode);
  void begin_unfinished();
  void end_unfinished() noexcept;
  void give_name();
  void copy_into(int file) const;
  void write_in_place();
  void sync_if_asked(int file) const;
  [[noreturn]] void fail_to_write(int reason) const;

  std::filesystem::path path_, target_;
  std::unique_ptr<Folder> folder_;
  std::string name_;        // in the folder, of the finished file
  std::string unfinished_;  // in the folder, of what is to be removed
  int noted_ = -1;          // where a handler of a signal finds it
  Way way_ = Way::nameless;
  bool exists_ = false;
  Sync sync_ = Sync::later;
  std::unique_ptr<std::FILE, Close> file_;
  std::unique_ptr<std::FILE, Close> own_;  // of Way::at_own_place
};

/// The number of the descriptor of this process that a path names, as /proc/self/fd/1 and /dev/fd/1 do; -1: it names
/// none.
int own_descriptor(const std::filesystem::path& path);

/// Where a file's name leads, be it there or not; links on the way to its folder are left to the system. Asking it for
/// each part of a path costs more than writing a small file. Ends at an own_descriptor(), whose link is no path.
std::filesystem::path link_target(const std::filesystem::path& path);

/// Whether a file could be made there, before hours are spent on what goes into it. Leaves nothing behind.
/// errors  unreadable, as the constructor
void expect_writable(const std::filesystem::path& path);

/// Removes the named files that are being written now, for a handler of a signal that ends the process: from then on
/// no thread can begin one.
void remove_unfinished() noexcept;

}  // namespace dit
