// SPDX-License-Identifier: MIT
#include "engine/cli/interrupt.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <iterator>

#include "engine/error.h"
#include "engine/files/new_file.h"
#include "engine/session/session.h"

namespace dit::cli {
namespace {

constexpr int watched_signals[] = {SIGINT, SIGTERM, SIGHUP};
/// What goes on after them, or is stopped, or what no handler gets. Every other signal ends the process.
constexpr int harmless_signals[] = {SIGKILL, SIGSTOP, SIGCHLD, SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH};

// A signal handler can reach globals only; lock-free atomics are all it may touch.
std::atomic<bool> interrupted{false}, watching{false};
std::atomic<Session*> watched{nullptr};
std::array<std::atomic<bool>, 65> seen{};  // by number, while somebody watches
static_assert(std::atomic<Session*>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

extern "C" void handle_signal(int number) {
  const bool graceful = watching && std::ranges::find(watched_signals, number) != std::end(watched_signals);
  if (graceful && !seen[static_cast<std::size_t>(number)].exchange(true)) {
    interrupted.store(true);
    if (Session* session = watched.load()) session->cancel();
    return;
  }
  remove_unfinished();
  std::signal(number, SIG_DFL);
  std::raise(number);
}

}  // namespace

void clean_up_on_signals() {
  for (int number = 1; number <= SIGRTMAX; ++number) {
    if (std::ranges::find(harmless_signals, number) != std::end(harmless_signals)) continue;
    struct sigaction action = {};
    // Two numbers are the C library's own; a sanitizer has a handler for faults.
    if (sigaction(number, nullptr, &action) != 0 || action.sa_handler != SIG_DFL) continue;
    action.sa_handler = handle_signal;
    action.sa_flags = 0;
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, nullptr);
  }
}

Interrupt::Interrupt() {
  interrupted.store(false);
  for (auto& one : seen) one.store(false);
  watching.store(true);
}

Interrupt::~Interrupt() {
  watching.store(false);
  watched.store(nullptr);
}

void Interrupt::watch(Session* session) {
  watched.store(session);
  // The signal may have come before there was a session to cancel.
  check();
}

const std::atomic<bool>& Interrupt::came() const noexcept { return interrupted; }

void Interrupt::check() const {
  if (interrupted.load()) throw Cancelled();
}

}  // namespace dit::cli
