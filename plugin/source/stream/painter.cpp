// SPDX-License-Identifier: MIT
#include "plugin/source/stream/painter.h"

#include <utility>

namespace dit::plugin {

Painter::Painter(std::function<void(std::uint64_t, Shot&)> paint)
    : paint_(std::move(paint)), thread_([this] { work(); }) {}

Painter::~Painter() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Painter::work() {
  Shot shot;
  std::uint64_t n = 0;
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stop_ || (wanted_ && !full_ && !interrupted_ && !error_); });
    if (stop_) return;
    lock.unlock();
    std::exception_ptr error;
    bool painted = false;
    try {
      paint_(n, shot);
      painted = true;
    } catch (const Cancelled&) {
      // Painted again after resume.
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    error_ = error;
    if (!painted) {
      changed_.notify_all();
      continue;
    }
    std::swap(ready_, shot);
    full_ = true;
    ++n;
    changed_.notify_all();
  }
}

bool Painter::take_locked(Shot& shot) {
  if (error_) std::rethrow_exception(error_);
  if (!full_) return false;
  std::swap(shot, ready_);
  full_ = false;
  changed_.notify_all();
  return true;
}

bool Painter::take(Shot& shot) {
  const std::lock_guard lock(mutex_);
  return take_locked(shot);
}

bool Painter::await(Shot& shot) {
  std::unique_lock lock(mutex_);
  wanted_ = true;
  changed_.notify_all();
  changed_.wait(lock, [&] { return full_ || interrupted_ || error_; });
  return !interrupted_ && take_locked(shot);
}

void Painter::interrupt() {
  const std::lock_guard lock(mutex_);
  interrupted_ = true;
  changed_.notify_all();
}

void Painter::resume() {
  const std::lock_guard lock(mutex_);
  interrupted_ = false;
  error_ = nullptr;
  changed_.notify_all();
}

}  // namespace dit::plugin
