// SPDX-License-Identifier: MIT
#include "engine/session/turns.h"

#include "engine/error.h"

namespace dit {

// The queue is a list of the Turn objects themselves, which live on their threads' stacks: waiting allocates nothing.
Turns::Turn::Turn(Turns& turns, const std::atomic<bool>& cancel) : turns_(turns) {
  std::unique_lock lock(turns_.mutex_);
  Turn** end = &turns_.first_;
  while (*end) end = &(*end)->next_;
  *end = this;
  turns_.changed_.wait(lock, [&] { return turns_.first_ == this || cancel; });
  if (!cancel) return;
  turns_.leave(*this);
  throw Cancelled();
}

Turns::Turn::~Turn() {
  const std::lock_guard lock(turns_.mutex_);
  turns_.leave(*this);
}

void Turns::leave(Turn& turn) noexcept {
  Turn** at = &first_;
  while (*at != &turn) at = &(*at)->next_;
  *at = turn.next_;
  changed_.notify_all();
}

void Turns::wake() noexcept {
  const std::lock_guard lock(mutex_);
  changed_.notify_all();
}

}  // namespace dit
