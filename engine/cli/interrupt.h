// SPDX-License-Identifier: MIT
// Ctrl-C and SIGTERM end a running icon within one step instead of killing the program between two writes.
#pragma once

#include <atomic>

namespace dit {
class Session;
}

namespace dit::cli {

/// From now on every signal that ends the program, SIGPIPE too, removes the files that it was writing. Those that it
/// was told to ignore, as by nohup, stay ignored.
void clean_up_on_signals();

/// While it lives, SIGINT, SIGTERM and SIGHUP ask for an end; the second one of a kind kills as usual. One at a time.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  /// Signals now also cancel `session`, which must outlive this object or be replaced by nullptr.
  void watch(Session* session);
  /// Whether one came, for work without a session.
  const std::atomic<bool>& came() const noexcept;
  /// errors  throws Cancelled if a signal came
  void check() const;
};

}  // namespace dit::cli
