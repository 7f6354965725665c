// SPDX-License-Identifier: MIT
#include "engine/files/writing_queue.h"

#include <pthread.h>

#include <algorithm>
#include <csignal>
#include <system_error>
#include <utility>

namespace dit {
namespace {

/// A handler that interrupts a system call of a writer would make an error of it.
class WithoutSignals {
 public:
  WithoutSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~WithoutSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  WithoutSignals(const WithoutSignals&) = delete;
  WithoutSignals& operator=(const WithoutSignals&) = delete;

 private:
  sigset_t before_;
};

}  // namespace

WritingQueue::WritingQueue(Limits limits, Work failed) : limits_(limits), failed_(std::move(failed)) {}

WritingQueue::~WritingQueue() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  wanted_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void WritingQueue::start_thread() {
  const WithoutSignals masked;
  try {
    threads_.emplace_back([this] { run(); });
  } catch (const std::system_error&) {
    // A limit of processes: those that are there will do, or none.
  }
}

void WritingQueue::run() {
  Lock lock(mutex_);
  for (;;) {
    ++idle_;
    wanted_.wait(lock, [this] { return stopped_ || failing_ || begun_ < pieces_.size(); });
    --idle_;
    if (stopped_ || failing_) return;
    Piece& piece = pieces_[begun_++];  // stays where it is: only ready ones are taken away
    piece.state = State::begun;
    const bool first = work_on(piece, lock);
    changed_.notify_one();
    if (!first) continue;
    wanted_.notify_all();
    lock.unlock();
    if (failed_) failed_();
    lock.lock();
  }
}

/// Without the lock. Whether it is the first to fail.
bool WritingQueue::work_on(Piece& piece, Lock& lock) {
  Work work = std::exchange(piece.work, {});
  std::exception_ptr failure;
  lock.unlock();
  try {
    work();
  } catch (...) {
    failure = std::current_exception();
  }
  work = {};  // what it holds may be large
  lock.lock();
  piece.failure = failure;
  piece.state = State::ready;
  return failure && !std::exchange(failing_, true);
}

/// Leaves the first piece in front that is not ready, or has failed.
void WritingQueue::finish_ready(Lock& lock) {
  while (!pieces_.empty() && pieces_.front().state == State::ready && !pieces_.front().failure) {
    const Work done = std::move(pieces_.front().done);
    pieces_.pop_front();
    --begun_;
    lock.unlock();
    if (done) done();
    lock.lock();
  }
}

/// Waits for what has begun and does what is to be done after each piece that did not fail.
void WritingQueue::end_begun(Lock& lock) {
  stopped_ = true;
  wanted_.notify_all();
  changed_.wait(lock, [this] {
    return std::ranges::none_of(pieces_, [](const Piece& piece) { return piece.state == State::begun; });
  });
  std::exception_ptr failure;
  while (begun_ > 0) {
    finish_ready(lock);
    if (begun_ == 0) break;
    if (!failure) failure = pieces_.front().failure;
    pieces_.pop_front();
    --begun_;
  }
  pieces_.clear();
  if (failure) std::rethrow_exception(failure);
}

void WritingQueue::throw_failure(Lock& lock) {
  if (failing_) end_begun(lock);
}

void WritingQueue::add(Work work, Work done) {
  Lock lock(mutex_);
  finish_ready(lock);
  while (!failing_ && pieces_.size() >= limits_.room) {
    changed_.wait(lock, [this] { return failing_ || pieces_.front().state == State::ready; });
    finish_ready(lock);
  }
  throw_failure(lock);
  if (stopped_) return;
  pieces_.push_back({.work = std::move(work), .done = std::move(done)});
  if (idle_ < pieces_.size() - begun_ && threads_.size() < limits_.threads) start_thread();
  if (!threads_.empty()) return wanted_.notify_one();
  // There is no thread to be had.
  (void)work_on(pieces_[begun_++], lock);
  finish_ready(lock);
  throw_failure(lock);
}

void WritingQueue::poll() {
  Lock lock(mutex_);
  finish_ready(lock);
  throw_failure(lock);
}

void WritingQueue::finish() {
  Lock lock(mutex_);
  while (!failing_ && !pieces_.empty()) {
    changed_.wait(lock, [this] { return failing_ || pieces_.front().state == State::ready; });
    finish_ready(lock);
  }
  throw_failure(lock);
}

void WritingQueue::stop() {
  Lock lock(mutex_);
  end_begun(lock);
}

}  // namespace dit
