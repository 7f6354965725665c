// SPDX-License-Identifier: MIT
// Which way to compute was fastest for a program on a device, remembered between runs.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/executor.h"
#include "engine/files/cache_folder.h"

namespace dit {

/// Whether an automatic fusion is measured on this device: on a GPU, since a software device takes longer to build the
/// kernels than they save. DIT_TUNE=0: nowhere; DIT_TUNE=all: on software devices too.
bool is_tuned(const DeviceInfo& device);

/// What a program is to a device, besides its precision: sizes for the reader, and a checksum of every op and shape.
std::string shape_key(const Program& program);

struct Tuned {
  Fusion fusion = Fusion::op;
  std::vector<std::pair<Fusion, double>> milliseconds;  ///< a step, of what was measured
};

/// The fastest first, but `usual` before those that are ahead of it by less than they vary from run to run, so that
/// the choice stays the same.
std::vector<Fusion> by_speed(std::vector<std::pair<Fusion, double>> milliseconds, Fusion usual);

/// tuning.json of a cache folder. Where that cannot be written, memory of this process.
/// thread  any; of two processes that remember at the same moment one may lose its entry, and measures again
class TuningFile {
 public:
  explicit TuningFile(CacheFolder folder = CacheFolder::of_user()) : folder_(std::move(folder)) {}

  std::optional<Tuned> recall(const std::string& key) const;
  void remember(const std::string& key, const Tuned& tuned) const;

  /// How often measuring was begun and has not ended: a kernel may take the device down, or the process.
  unsigned unfinished(const std::string& key) const;
  /// 0: none was.
  void note_unfinished(const std::string& key, unsigned count) const;

 private:
  bool write_entry(const std::string& key, const nlohmann::json& entry) const;

  CacheFolder folder_;
};

}  // namespace dit
