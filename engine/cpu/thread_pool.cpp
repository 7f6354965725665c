// SPDX-License-Identifier: MIT
#include "engine/cpu/thread_pool.h"

#include <hwy/cache_control.h>

#include <algorithm>
#include <system_error>

#include "engine/error.h"

namespace dit::cpu {
namespace {

// About 50 µs: longer than any gap between two loops of a step, short enough that an idle element costs nothing.
constexpr int spins = 2000;
// More pieces than threads, so that one slow thread holds up little.
constexpr std::size_t pieces_per_thread = 4;
constexpr std::size_t most_pieces = 0xffff;

constexpr std::uint64_t first_ticket(std::uint64_t loop, std::uint64_t pieces) { return loop << 32 | pieces << 16; }
constexpr std::uint32_t loop_of(std::uint64_t ticket) { return static_cast<std::uint32_t>(ticket >> 32); }
constexpr std::uint32_t pieces_of(std::uint64_t ticket) { return ticket >> 16 & 0xffff; }
constexpr std::uint32_t taken_of(std::uint64_t ticket) { return ticket & 0xffff; }

template <class Done>
bool spin_until(const Done& done) {
  for (int i = 0; i < spins; ++i) {
    if (done()) return true;
    hwy::Pause();
  }
  return done();
}

}  // namespace

ThreadPool::ThreadPool(unsigned threads, Shortage shortage) : size_(std::max(1u, threads)) {
  try {
    threads_.reserve(size_ - 1);
    for (unsigned thread = 1; thread < size_; ++thread) threads_.emplace_back([this, thread] { work(thread); });
  } catch (const std::system_error& error) {
    const std::size_t started = threads_.size();
    if (shortage == Shortage::fewer_will_do) {
      size_ = static_cast<unsigned>(started) + 1;
      return;
    }
    stop();
    fail(ErrorKind::device, "CPU executor: expected {} threads, found {}: {}", size_, started + 1, error.what());
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() noexcept {
  {
    const std::lock_guard lock(mutex_);
    // A loop without pieces is the end.
    ticket_.store(first_ticket(loop_of(ticket_.load()) + 1, 0));
  }
  started_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void ThreadPool::run(const Loop& loop) {
  loop_ = loop;
  pieces_ = static_cast<std::uint32_t>(std::min({loop.count, size_ * pieces_per_thread, most_pieces}));
  done_.store(0, std::memory_order_relaxed);
  {
    const std::lock_guard lock(mutex_);
    const std::uint32_t number = loop_of(ticket_.load(std::memory_order_relaxed)) + 1;
    ticket_.store(first_ticket(number, pieces_), std::memory_order_release);
  }
  started_.notify_all();
  take_pieces(0);
  const auto done = [this] { return done_.load(std::memory_order_acquire) == pieces_; };
  if (spin_until(done)) return;
  std::unique_lock lock(mutex_);
  finished_.wait(lock, done);
}

void ThreadPool::take_pieces(unsigned thread) {
  std::uint64_t ticket = ticket_.load(std::memory_order_relaxed);
  for (;;) {
    const std::uint32_t piece = taken_of(ticket), pieces = pieces_of(ticket);
    if (piece == pieces) return;
    // Success means that this loop is the current one and cannot end before this piece does.
    if (!ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel, std::memory_order_relaxed))
      continue;
    loop_.call(loop_.context, thread, loop_.count * piece / pieces, loop_.count * (piece + 1) / pieces);
    if (done_.fetch_add(1, std::memory_order_acq_rel) + 1 == pieces && thread != 0) {
      std::unique_lock(mutex_).unlock();
      finished_.notify_one();
    }
    ticket = ticket_.load(std::memory_order_relaxed);
  }
}

void ThreadPool::work(unsigned thread) {
  std::uint32_t seen = 0;
  for (;;) {
    const auto woken = [this, &seen] { return loop_of(ticket_.load(std::memory_order_acquire)) != seen; };
    if (!spin_until(woken)) {
      std::unique_lock lock(mutex_);
      started_.wait(lock, woken);
    }
    const std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
    if (pieces_of(ticket) == 0) return;
    seen = loop_of(ticket);
    take_pieces(thread);
  }
}

}  // namespace dit::cpu
