// SPDX-License-Identifier: MIT
// A mutex that serves in the order of asking, and whose waiters can be cancelled: how sessions take turns on a device.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

namespace dit {

/// thread  any
class Turns {
 public:
  /// Holds the turn while it lives.
  class Turn {
   public:
    /// Waits for its turn. errors: Cancelled once `cancel` is true (see wake)
    Turn(Turns& turns, const std::atomic<bool>& cancel);
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    Turns& turns_;
    Turn* next_ = nullptr;  // in the queue
    friend class Turns;
  };

  /// To be called after a waiter's `cancel` became true.
  void wake() noexcept;

 private:
  void leave(Turn& turn) noexcept;  // the lock is held

  std::mutex mutex_;
  std::condition_variable changed_;
  Turn* first_ = nullptr;  // has the turn
};

}  // namespace dit
