// SPDX-License-Identifier: MIT
// Persistent threads for loops of a few microseconds: they spin for the next loop of a step, then sleep. Whoever is
// awake takes the next piece, so a thread that the system keeps from running delays nobody.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace dit::cpu {

/// Splits loops into pieces. The caller works too, as thread 0. Which thread runs a piece varies, so bodies must give
/// the same result for any split.
/// thread  one caller at a time
class ThreadPool {
 public:
  /// What to do where the system gives no more threads: a limit of processes is no reason not to paint.
  enum class Shortage { is_an_error, fewer_will_do };

  /// threads  1 or more; starts threads − 1. errors: Error{device} if the system gives no more threads
  explicit ThreadPool(unsigned threads, Shortage shortage = Shortage::is_an_error);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  unsigned size() const noexcept { return size_; }

  /// Calls body(thread, first, last) on consecutive pieces of [0, count) and waits for all. The body must not throw.
  template <class Body>
  void parallel_for(std::size_t count, const Body& body) {
    if (count == 0) return;
    if (size_ == 1 || count == 1) {
      body(0u, std::size_t{0}, count);
      return;
    }
    const Call call = [](const void* context, unsigned thread, std::size_t first, std::size_t last) noexcept {
      (*static_cast<const Body*>(context))(thread, first, last);
    };
    run({call, &body, count});
  }

 private:
  using Call = void (*)(const void*, unsigned, std::size_t, std::size_t) noexcept;
  struct Loop {
    Call call = nullptr;
    const void* context = nullptr;
    std::size_t count = 0;
  };

  void run(const Loop& loop);
  void take_pieces(unsigned thread);
  void work(unsigned thread);
  void stop() noexcept;

  unsigned size_ = 1;
  // Written while no piece can be taken; read only by who has taken one.
  Loop loop_;
  std::uint32_t pieces_ = 0;

  // Number of the loop, how many pieces it has, how many are taken: 32 + 16 + 16 bits.
  alignas(64) std::atomic<std::uint64_t> ticket_{0};
  alignas(64) std::atomic<std::uint32_t> done_{0};
  std::mutex mutex_;
  std::condition_variable started_, finished_;
  std::vector<std::thread> threads_;
};

}  // namespace dit::cpu
