// SPDX-License-Identifier: MIT
#include "engine/cli/interrupt.h"

#include <csignal>

#include "engine/error.h"
#include "engine/session/session.h"

namespace dit::cli {
namespace {

constexpr int watched_signals[] = {SIGINT, SIGTERM, SIGHUP};

// A signal handler can reach globals only; lock-free atomics are all it may touch.
std::atomic<bool> interrupted{false};
std::atomic<Session*> watched{nullptr};
static_assert(std::atomic<Session*>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

extern "C" void handle_signal(int) {
  interrupted.store(true);
  if (Session* session = watched.load()) session->cancel();
}

void install(void (*handler)(int), int flags) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigemptyset(&action.sa_mask);
  for (const int signal : watched_signals) sigaction(signal, &action, nullptr);
}

}  // namespace

Interrupt::Interrupt() {
  interrupted.store(false);
  install(handle_signal, static_cast<int>(SA_RESETHAND));
}

Interrupt::~Interrupt() {
  watched.store(nullptr);
  install(SIG_DFL, 0);
}

void Interrupt::watch(Session* session) {
  watched.store(session);
  // The signal may have come before there was a session to cancel.
  check();
}

void Interrupt::check() const {
  if (interrupted.load()) throw Cancelled();
}

}  // namespace dit::cli
