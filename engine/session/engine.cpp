// SPDX-License-Identifier: MIT
#include "engine/session/engine.h"

#include <sys/stat.h>

#include <map>
#include <mutex>
#include <tuple>

namespace dit {
namespace {

/// What makes two requests ask for the same engine: the file's identity and age, not its path, so that a replaced file
/// is read anew and a link finds what is open.
struct Key {
  dev_t file_system = 0;
  ino_t file = 0;
  off_t size = 0;
  time_t seconds = 0;
  long nanoseconds = 0;
  std::string device;
  DeviceOptions options;
  auto operator<=>(const Key&) const = default;
};

/// errors  none: a file that is not there has a key too, and opening it says what is wrong
Key key_of(const SessionOptions& options) {
  struct stat status = {};
  (void)stat(options.model.c_str(), &status);
  return {.file_system = status.st_dev,
          .file = status.st_ino,
          .size = status.st_size,
          .seconds = status.st_mtim.tv_sec,
          .nanoseconds = status.st_mtim.tv_nsec,
          .device = options.device,
          .options = options.options};
}

/// One entry for every key ever asked for; opening one does not hold up the others.
struct Entry {
  std::mutex opening;
  std::weak_ptr<Engine> engine;
};

std::shared_ptr<Entry> entry_for(const Key& key) {
  static std::mutex mutex;
  // Never destroyed, since elements may outlive the destructors of static objects.
  static auto& entries = *new std::map<Key, std::shared_ptr<Entry>>;
  const std::lock_guard lock(mutex);
  std::erase_if(entries,
                [](const auto& item) { return item.second.use_count() == 1 && item.second->engine.expired(); });
  std::shared_ptr<Entry>& entry = entries[key];
  if (!entry) entry = std::make_shared<Entry>();
  return entry;
}

}  // namespace

Engine::Engine(const SessionOptions& options)
    : model_(Model::open(options.model, options.lexicon)),
      device_(open_device(options.device, model_, options.options)),
      conditioning_(model_) {}

std::shared_ptr<Engine> Engine::open_own(const SessionOptions& options) {
  return std::shared_ptr<Engine>(new Engine(options));
}

std::shared_ptr<Engine> Engine::open(const SessionOptions& options) {
  const std::shared_ptr<Entry> entry = entry_for(key_of(options));
  const std::lock_guard lock(entry->opening);
  std::shared_ptr<Engine> engine = entry->engine.lock();
  // Whoever still holds a lost device gets errors from it; whoever asks now gets a new one.
  if (!engine || engine->device_.executor->lost()) entry->engine = engine = open_own(options);
  return engine;
}

}  // namespace dit
