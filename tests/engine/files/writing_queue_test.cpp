// SPDX-License-Identifier: MIT
// Pieces are begun and finished in order, however long each takes; a failure ends all.
#include "engine/files/writing_queue.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace dit::test {
namespace {

using namespace std::chrono_literals;

/// Held back until it is opened.
class Gate {
 public:
  void open() {
    opened_ = true;
    opened_.notify_all();
  }
  void wait() { opened_.wait(false); }

 private:
  std::atomic<bool> opened_{false};
};

void wait_until(const std::atomic<int>& count, int wanted) {
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  while (count < wanted && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(1ms);
  ASSERT_GE(count, wanted);
}

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "nothing";
}

TEST(WritingQueues, WhatIsDoneAfterThePiecesIsDoneInTheirOrderByWhoAdds) {
  const std::thread::id here = std::this_thread::get_id();
  WritingQueue queue({.threads = 4, .room = 8});
  std::vector<int> order;
  std::atomic<int> worked{0};
  for (int i = 0; i < 200; ++i) {
    queue.add(
        [&, i] {
          EXPECT_NE(std::this_thread::get_id(), here);
          std::this_thread::sleep_for(std::chrono::microseconds(i * 7919 % 500));
          ++worked;
        },
        [&, i] {
          EXPECT_EQ(std::this_thread::get_id(), here);
          order.push_back(i);
        });
  }
  queue.finish();
  EXPECT_EQ(worked, 200);
  ASSERT_EQ(order.size(), 200u);
  for (int i = 0; i < 200; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST(WritingQueues, SlowPiecesGetMoreThreadsAndQuickOnesDoNot) {
  WritingQueue queue({.threads = 3, .room = 16});
  std::set<std::thread::id> threads;
  std::mutex mutex;
  const auto note = [&] {
    const std::lock_guard lock(mutex);
    threads.insert(std::this_thread::get_id());
  };
  for (int i = 0; i < 5; ++i) {
    queue.add(note, [] {});
    queue.finish();
    std::this_thread::sleep_for(20ms);  // until it waits again
  }
  EXPECT_EQ(threads.size(), 1u);
  Gate gate;
  std::atomic<int> begun{0};
  for (int i = 0; i < 6; ++i) {
    queue.add(
        [&] {
          note();
          ++begun;
          gate.wait();
        },
        [] {});
  }
  wait_until(begun, 3);
  gate.open();
  queue.finish();
  EXPECT_EQ(threads.size(), 3u);
}

TEST(WritingQueues, NoMorePiecesAreHeldThanThereIsRoomFor) {
  WritingQueue queue({.threads = 2, .room = 5});
  Gate gate;
  std::atomic<int> added{0}, worked{0};
  // The first piece alone holds all behind it, done or not.
  std::thread adder([&] {
    queue.add([&] { gate.wait(); }, [] {});
    for (int i = 0; i < 20; ++i) {
      queue.add([&] { ++worked; }, [] {});
      ++added;
    }
    queue.finish();
  });
  wait_until(worked, 4);
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(added, 4);
  EXPECT_EQ(worked, 4);
  gate.open();
  adder.join();
  EXPECT_EQ(worked, 20);
}

TEST(WritingQueues, WhatAPieceHoldsIsGivenBackWhenItIsDone) {
  WritingQueue queue({.threads = 1, .room = 5});
  auto held = std::make_shared<int>(1);
  std::atomic<int> worked{0};
  queue.add([&worked, copy = held] { ++worked; }, [] {});
  queue.add([&worked] { ++worked; }, [] {});
  wait_until(worked, 2);
  EXPECT_EQ(held.use_count(), 1) << "though nobody has asked yet";
  queue.finish();
}

TEST(WritingQueues, AFailureEndsAllAndTheFirstInOrderIsTold) {
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> told{0}, begun{0};
    std::vector<int> after;
    WritingQueue queue({.threads = 4, .room = 64}, [&] { ++told; });
    Gate gate;
    const auto add = [&](int i, bool fails) {
      queue.add(
          [&, i, fails] {
            ++begun;
            if (i < 4) gate.wait();
            if (fails) throw std::runtime_error(std::to_string(i));
          },
          [&, i] { after.push_back(i); });
    };
    for (int i = 0; i < 40; ++i) add(i, i == 1 || i == 3);
    wait_until(begun, 4);
    gate.open();
    EXPECT_EQ(error_of([&] { queue.finish(); }), "1");
    wait_until(told, 1);  // by the thread that failed, which need not have come to it yet
    ASSERT_GE(after.size(), 2u);
    EXPECT_EQ(after[0], 0);
    EXPECT_EQ(after[1], 2) << "it had begun before, and is there";
    EXPECT_EQ(static_cast<int>(after.size()), begun - 2) << "what was begun is finished, or has failed";
    const int so_far = begun;
    add(40, false);
    queue.finish();
    EXPECT_EQ(begun, so_far);
    EXPECT_EQ(told, 1) << "once";
  }
}

TEST(WritingQueues, AFailureReachesWhoWaitsForRoom) {
  WritingQueue queue({.threads = 1, .room = 2});
  Gate gate;
  queue.add(
      [&] {
        gate.wait();
        throw std::runtime_error("full");
      },
      [] {});
  queue.add([] {}, [] {});
  std::thread opener([&] {
    std::this_thread::sleep_for(20ms);
    gate.open();
  });
  EXPECT_EQ(error_of([&] { queue.add([] {}, [] {}); }), "full");
  opener.join();
}

TEST(WritingQueues, AStopFinishesWhatHasBegunAndDropsTheRest) {
  Gate gate;
  std::atomic<int> begun{0};
  std::vector<int> after;
  WritingQueue queue({.threads = 2, .room = 64});
  for (int i = 0; i < 10; ++i) {
    queue.add(
        [&] {
          ++begun;
          gate.wait();
        },
        [&, i] { after.push_back(i); });
  }
  wait_until(begun, 2);
  std::thread opener([&] {
    std::this_thread::sleep_for(20ms);
    gate.open();
  });
  queue.stop();
  opener.join();
  EXPECT_EQ(begun, 2);
  EXPECT_EQ(after, (std::vector<int>{0, 1}));
}

TEST(WritingQueues, SignalsAreLeftToOtherThreads) {
  WritingQueue queue({.threads = 1, .room = 1});
  sigset_t mask;
  sigemptyset(&mask);
  queue.add([&] { pthread_sigmask(SIG_BLOCK, nullptr, &mask); }, [] {});
  queue.finish();
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGALRM}) EXPECT_EQ(sigismember(&mask, number), 1);
  pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  EXPECT_EQ(sigismember(&mask, SIGINT), 0) << "the thread that adds keeps its own";
}

}  // namespace
}  // namespace dit::test
