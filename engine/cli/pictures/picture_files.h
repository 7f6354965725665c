// SPDX-License-Identifier: MIT
// Many PNG files, encoded and written beside the painting.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>

#include "engine/cli/pictures/png.h"
#include "engine/files/new_file.h"
#include "engine/files/unsynced.h"
#include "engine/files/writing_queue.h"

namespace dit::cli {

/// Files are begun in the order of write(), as write_png() makes them. Errors of write_png() come out of whichever is
/// called next, and no file is begun after one that failed.
/// thread  one at a time
class PictureFiles {
 public:
  struct How {
    NewFile::Sync sync = NewFile::Sync::later;  ///< later: at the end of a long run
    std::size_t bytes = 0;                      ///< of a picture: how many may wait is a matter of memory
  };

  /// failed  called by another thread, at once, when a file cannot be written
  PictureFiles(const How& how, std::function<void()> failed);

  /// What is no regular file, standard output too, is written here and now, after all before it.
  /// written  called in the order of write(), by this thread, once the file is whole
  void write(std::filesystem::path path, Image image, std::function<void()> written);
  void poll() { queue_.poll(); }
  /// Waits until all is written, and by a long run to the disk.
  void finish();
  /// What has not been begun is not written.
  void stop() { queue_.stop(); }

 private:
  const NewFile::Sync sync_;
  Unsynced unsynced_;
  WritingQueue queue_;
};

}  // namespace dit::cli
