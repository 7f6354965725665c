// SPDX-License-Identifier: MIT
// Threads that write beside whoever makes what is written: pictures are encoded while the next ones are painted.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace dit {

/// Pieces of work are begun in the order of add(), on one thread until that one cannot keep up, then on more. What is
/// to be done after each is done in the same order by the thread that adds. A piece that fails ends it all: no other is
/// begun, and of those that had begun the first that failed is what add(), poll() or finish() throws.
/// Signals are left to the threads that were there before.
/// thread  one adds
class WritingQueue {
 public:
  using Work = std::function<void()>;

  struct Limits {
    unsigned threads = 1;  ///< 1 or more; fewer where the system gives no more
    std::size_t room = 1;  ///< pieces that are held, those being worked on among them
  };

  /// failed  called once by the thread whose piece failed first in time, to end what the adder is at
  explicit WritingQueue(Limits limits, Work failed = {});
  /// As stop(), but nothing is done after pieces that are ready by then.
  ~WritingQueue();
  WritingQueue(const WritingQueue&) = delete;
  WritingQueue& operator=(const WritingQueue&) = delete;

  /// Waits where there is no room.
  /// done    called by add(), poll(), finish() or stop() once the work is done, and all before it
  /// errors  what a piece threw; the new one is then not taken
  void add(Work work, Work done);
  /// Does what is to be done after pieces that are ready; never waits. errors  what a piece threw
  void poll();
  /// Waits until all is done. errors  what a piece threw
  void finish();
  /// Begins nothing more, waits for what has begun, and does what is to be done after it. Nothing can be added then.
  /// errors  what a piece threw
  void stop();

 private:
  enum class State { waiting, begun, ready };
  struct Piece {
    Work work, done;
    State state = State::waiting;
    std::exception_ptr failure = {};
  };
  using Lock = std::unique_lock<std::mutex>;

  void run();
  bool work_on(Piece& piece, Lock& lock);
  void start_thread();
  void finish_ready(Lock& lock);
  void throw_failure(Lock& lock);
  void end_begun(Lock& lock);

  const Limits limits_;
  const Work failed_;
  std::mutex mutex_;
  std::condition_variable wanted_, changed_;  // by threads; by the adder
  std::deque<Piece> pieces_;                  // those after which something is to be done yet
  std::size_t begun_ = 0;                     // of pieces_, from the front
  std::size_t idle_ = 0;                      // threads
  bool stopped_ = false, failing_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace dit
