// SPDX-License-Identifier: MIT
#include "engine/cli/pictures/picture_files.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <system_error>
#include <utility>

namespace dit::cli {
namespace {

// As many files as one thread cannot write in time: two for 1,000 icons a second on a disk of the machine, more where
// each file is a question to another machine. They are started when they are wanted.
constexpr unsigned most_threads = 8;
constexpr std::size_t most_waiting = 256, most_waiting_bytes = 16u << 20;

/// As many as have the files open that each of them needs.
unsigned threads() {
  constexpr long each = 3;  // a folder, a file, and a copy of it where a file system wants one
  std::error_code error;
  const auto open =
      std::distance(std::filesystem::directory_iterator("/proc/self/fd", error), std::filesystem::directory_iterator());
  const long room = (::sysconf(_SC_OPEN_MAX) - static_cast<long>(open)) / each;
  return static_cast<unsigned>(std::clamp<long>(room, 1, most_threads));
}

WritingQueue::Limits limits_of(const PictureFiles::How& how) {
  const std::size_t fitting = most_waiting_bytes / std::max<std::size_t>(1, how.bytes);
  return {.threads = threads(), .room = std::clamp<std::size_t>(fitting, 2 * most_threads, most_waiting)};
}

/// Whether it is there and no regular file: a pipe is waited for, and a signal must end that.
bool is_special(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  return path == "-" || (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status));
}

}  // namespace

PictureFiles::PictureFiles(const How& how, std::function<void()> failed)
    : sync_(how.sync), queue_(limits_of(how), std::move(failed)) {}

void PictureFiles::write(std::filesystem::path path, Image image, std::function<void()> written) {
  if (is_special(path)) {
    queue_.finish();
    write_png(path, image);
    return written();
  }
  auto done = [this, path, written = std::move(written)] {
    if (sync_ == NewFile::Sync::later) unsynced_.add(path);
    written();
  };
  queue_.add([path = std::move(path), image = std::move(image), sync = sync_] { write_png(path, image, sync); },
             std::move(done));
}

void PictureFiles::finish() {
  queue_.finish();
  unsynced_.sync();
}

}  // namespace dit::cli
