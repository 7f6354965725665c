// SPDX-License-Identifier: MIT
#include "engine/cpu/thread_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <thread>

namespace dit::test {
namespace {

TEST(ThreadPool, RunsEveryPieceOnce) {
  for (const unsigned threads : {1u, 2u, 7u}) {
    cpu::ThreadPool pool(threads);
    for (std::size_t count = 0; count < 300; ++count) {
      std::vector<int> hits(count);
      pool.parallel_for(count, [&](unsigned thread, std::size_t first, std::size_t last) {
        if (thread >= threads) std::abort();
        for (std::size_t i = first; i < last; ++i) ++hits[i];
      });
      ASSERT_EQ(std::ranges::count(hits, 1), static_cast<std::ptrdiff_t>(count));
    }
    // Long pauses send the threads to sleep; loops after that must wake them.
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::atomic<std::size_t> sum{0};
    pool.parallel_for(1000, [&](unsigned, std::size_t first, std::size_t last) { sum += last - first; });
    ASSERT_EQ(sum, 1000u);
  }
}

TEST(ThreadPool, ComesAndGoes) {
  for (int i = 0; i < 100; ++i) cpu::ThreadPool pool(4);
}

}  // namespace
}  // namespace dit::test
