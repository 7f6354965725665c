// SPDX-License-Identifier: MIT
// Engines shared by a process, and the turns that sessions take on them.
#include "engine/session/engine.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <thread>
#include <vector>

#include "engine/session/session.h"
#include "tests/engine/support/golden.h"

namespace dit::test {
namespace {

SessionOptions tiny() { return {.model = golden_path("tiny.safetensors"), .device = "cpu", .options = {.threads = 1}}; }

TEST(Engines, TheSameOptionsGiveTheSameEngineWhileSomebodyHoldsIt) {
  const auto one = Engine::open(tiny());
  EXPECT_EQ(Engine::open(tiny()), one);
  EXPECT_NE(Engine::open_own(tiny()), one);
  SessionOptions other = tiny();
  other.options.threads = 2;
  EXPECT_NE(Engine::open(other), one);
  EXPECT_EQ(Session::open(tiny())->engine(), one);
}

TEST(Engines, AskedForAtTheSameTimeAreOpenedOnce) {
  std::array<std::shared_ptr<Engine>, 8> engines;
  std::vector<std::thread> threads;
  for (auto& engine : engines) threads.emplace_back([&engine] { engine = Engine::open(tiny()); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& engine : engines) EXPECT_EQ(engine, engines[0]);
}

TEST(Engines, AReplacedFileIsReadAnew) {
  const auto path = std::filesystem::temp_directory_path() / ("dit_engine_" + std::to_string(getpid()));
  std::filesystem::copy_file(golden_path("tiny.safetensors"), path);
  SessionOptions options = tiny();
  options.model = path;
  const auto before = Engine::open(options);
  EXPECT_EQ(Engine::open(options), before);
  std::filesystem::remove(path);
  std::filesystem::copy_file(golden_path("tiny-eps.safetensors"), path);
  const auto after = Engine::open(options);
  EXPECT_NE(after, before);
  EXPECT_EQ(after->model().config().prediction, Prediction::epsilon);
  std::filesystem::remove(path);
  EXPECT_THROW(Engine::open(options), Error);
}

TEST(Engines, SessionsSideBySidePaintWhatOneAlonePaints) {
  const auto engine = Engine::open(tiny());
  const auto paint = [&](Session& session, std::uint64_t seed) {
    IconSettings settings;
    settings.seed = seed;
    settings.steps = 4 + static_cast<std::uint32_t>(seed % 3);
    const ModelConfig& config = session.model().config();
    std::vector<std::uint8_t> icon(std::size_t{config.width} * config.height * 4);
    session.begin(settings, 0, 1);
    session.advance(session.steps());
    session.read(0, icon);
    return icon;
  };
  std::vector<std::vector<std::uint8_t>> expected;
  for (std::uint64_t seed = 0; seed < 6; ++seed) expected.push_back(paint(*Session::open(engine), seed));
  std::vector<std::thread> threads;
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    threads.emplace_back([&, seed] {
      const auto session = Session::open(engine);
      for (int round = 0; round < 5; ++round) EXPECT_EQ(paint(*session, seed), expected[seed]) << seed;
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Turns, AreServedInTheOrderOfAsking) {
  Turns turns;
  std::vector<int> order;
  std::vector<std::thread> threads;
  {
    const Turns::Turn held(turns, never_cancelled);
    for (int i = 0; i < 5; ++i) {
      std::atomic<bool> asking{false};
      threads.emplace_back([&, i] {
        asking = true;
        const Turns::Turn turn(turns, never_cancelled);
        order.push_back(i);
      });
      while (!asking) std::this_thread::yield();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));  // from asking to being queued
    }
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST(Turns, AWaiterCanBeCancelledAndLeavesTheQueueWhole) {
  Turns turns;
  std::atomic<bool> cancelled{false}, served{false};
  std::thread waiter, next;
  {
    const Turns::Turn held(turns, never_cancelled);
    waiter = std::thread([&] { EXPECT_THROW(Turns::Turn(turns, cancelled), Cancelled); });
    next = std::thread([&] {
      const Turns::Turn turn(turns, never_cancelled);
      served = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    cancelled = true;
    turns.wake();
    waiter.join();  // while the turn is still held
    EXPECT_FALSE(served);
  }
  next.join();
  EXPECT_TRUE(served);
}

}  // namespace
}  // namespace dit::test
