// SPDX-License-Identifier: MIT
// Paints one picture ahead on a thread of its own, so that a live stream's frames need not wait for icons.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "plugin/source/stream/stream.h"

namespace dit::plugin {

/// A picture that owns its pixels.
struct Shot {
  std::vector<std::uint8_t> rgba;
  Caption caption;
};

/// thread  take and await from one thread at a time; interrupt and resume from any
class Painter {
 public:
  /// paint  fills the shot with the n-th picture; called on the painter's thread, n = 0, 1, 2 … . It may throw:
  /// Cancelled
  ///        when interrupted, anything else is handed to the next take or await.
  ///        The first await starts it.
  explicit Painter(std::function<void(std::uint64_t n, Shot& shot)> paint);
  /// Whoever destroys it has made `paint` return before, by cancelling its stream.
  ~Painter();
  Painter(const Painter&) = delete;
  Painter& operator=(const Painter&) = delete;

  /// Exchanges `shot` for a newer picture if one is finished; painting of the next then begins.
  bool take(Shot& shot);
  /// The same, but waits for one; false if interrupted.
  bool await(Shot& shot);

  /// Ends a running await, and nothing is painted until resume. The stream is cancelled by the caller, afterwards.
  void interrupt();
  void resume();

 private:
  void work();
  bool take_locked(Shot& shot);

  std::function<void(std::uint64_t, Shot&)> paint_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Shot ready_;
  bool full_ = false;  ///< ready_ holds a picture that nobody has taken
  bool interrupted_ = false;
  bool wanted_ = false;  ///< somebody has awaited a picture
  bool stop_ = false;
  std::exception_ptr error_;
  std::thread thread_;
};

}  // namespace dit::plugin
