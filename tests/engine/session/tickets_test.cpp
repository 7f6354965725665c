// SPDX-License-Identifier: MIT
// Runs by ticket on every executor: what is asked for comes out, in order; what is no longer there says so.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/network/dit.h"
#include "tests/engine/support/devices_under_test.h"
#include "tests/engine/support/random_weights.h"

namespace dit::test {
namespace {

using Picture = std::vector<std::uint8_t>;

constexpr std::uint32_t steps = 6, most_steps = 1000;

ModelConfig small_config() {
  ModelConfig c;
  c.channels = 4;
  c.premultiplied = true;
  c.height = 8;
  c.width = 12;
  c.patch = 4;
  c.dim = 24;
  c.depth = 1;
  c.heads = 3;
  c.mlp_dim = 40;
  c.cond_dim = 12;
  c.time_dim = 8;
  return c;
}

IconPoint icon(std::uint64_t n) { return {.from = {.seed = 9, .index = n}}; }

/// Icons of `steps` steps, and many more for those that are to be cancelled.
Request request_for(const Program& program) {
  const PlanShape& s = program.shape;
  Request request;
  request.icons = {icon(100)};
  request.condition.assign(element_count(program.tensor(program.condition).shape), 0.5f);
  for (std::uint32_t step = 0; step < s.steps; ++step) {
    SolverRow row;
    row.a = 0.7f;
    row.b[0] = 0.4f;
    row.b[1] = step > 0 ? -0.1f : 0.f;
    row.c = 0.2f;
    request.solver.push_back(row);
    request.solver_row.push_back(step);
    request.modulation_row.push_back(step);
  }
  return request;
}

std::string settings_error(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::settings) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return {};
}

class Tickets : public ExecutorTest {
 protected:
  void SetUp() override {
    ExecutorTest::SetUp();
    if (IsSkipped()) return;
    program_ = record(small_config(), {.batch = 1, .steps = most_steps});
    executor_ = open_executor(GetParam(), random_weights(program_));
    plan_ = make_plan();
    for (std::uint64_t n = 0; n < 4; ++n) {
      const Ticket ticket = submit(n);
      plan_->wait(ticket, steps, never_cancelled);
      expected_.push_back(read(ticket));
    }
    ASSERT_NE(expected_[0], expected_[1]);
  }

  std::unique_ptr<Plan> make_plan() const {
    auto plan = executor_->plan(program_);
    plan->set_request(request_for(program_));
    plan->prepare(never_cancelled);
    return plan;
  }
  Ticket submit(std::uint64_t n, std::uint32_t first = 0, std::uint32_t last = steps) {
    const IconPoint point = icon(n);
    return plan_->submit(std::span(&point, 1), first, last);
  }
  Picture read(const Ticket& ticket) {
    Picture picture(std::size_t{8} * 12 * 4);
    plan_->read(ticket, 0, picture);
    return picture;
  }
  Picture paint(std::uint64_t n) {
    const Ticket ticket = submit(n);
    plan_->wait(ticket, steps, never_cancelled);
    return read(ticket);
  }
  void expect_stale(const Ticket& ticket, const char* what) {
    EXPECT_NE(settings_error([&] { plan_->wait(ticket, steps, never_cancelled); }).find("stale"), std::string::npos)
        << "wait, " << what;
    EXPECT_NE(settings_error([&] { read(ticket); }).find("stale"), std::string::npos) << "read, " << what;
  }

  Program program_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<Plan> plan_;
  std::vector<Picture> expected_;  // icons 0 to 3, one by one
};

TEST_P(Tickets, GiveThePicturesOfTheirRuns) {
  Ticket now = submit(0);
  for (std::uint64_t n = 0; n < 4; ++n) {
    const Ticket next = submit((n + 1) % 4);
    EXPECT_NE(now, next);
    plan_->wait(now, 3, never_cancelled);
    plan_->wait(now, steps, never_cancelled);
    EXPECT_EQ(read(now), expected_[n]) << "while the next is under way";
    EXPECT_EQ(read(now), expected_[n]) << "once more";
    plan_->wait(now, steps, never_cancelled);  // of a run done: comes back at once
    now = next;
  }
}

TEST_P(Tickets, RunsGoOnWhereTheOneBeforeEnded) {
  for (const std::uint32_t cut : {1u, 3u, 5u}) {
    const Ticket first = submit(2, 0, cut), second = submit(2, cut, steps);
    plan_->wait(second, steps, never_cancelled);
    EXPECT_EQ(read(second), expected_[2]) << "cut at " << cut;
    expect_stale(first, "its pictures have been replaced");
  }
}

TEST_P(Tickets, WaitedForOutOfOrderAreServedInOrder) {
  const Ticket first = submit(0), second = submit(1);
  plan_->wait(second, 2, never_cancelled);
  EXPECT_EQ(read(first), expected_[0]) << "it had to be done before";
  plan_->wait(second, steps, never_cancelled);
  EXPECT_EQ(read(second), expected_[1]);
  expect_stale(first, "a later run is done");
}

TEST_P(Tickets, DroppedOnesKeepTheirPlaceUntilALaterOneIsWaitedFor) {
  submit(0);
  const Ticket second = submit(1);
  EXPECT_NE(settings_error([this] { submit(2); }).find("open runs"), std::string::npos);
  plan_->wait(second, steps, never_cancelled);
  EXPECT_EQ(read(second), expected_[1]);
  EXPECT_EQ(paint(2), expected_[2]) << "there is room again";
  submit(3);
  submit(0);
  plan_->drop();
  EXPECT_EQ(paint(3), expected_[3]) << "all places are free";
  submit(0);
  plan_.reset();  // with a run under way
}

TEST_P(Tickets, AreStaleAfterWhatClosesThem) {
  const std::vector<std::pair<const char*, std::function<void()>>> closing = {
      {"drop", [this] { plan_->drop(); }},
      {"set_request", [this] { plan_->set_request(request_for(program_)); }},
      {"prepare", [this] { plan_->prepare(never_cancelled); }},
      {"read", [this] { plan_->read(program_.x); }},
      {"write", [this] { plan_->write(program_.x, plan_->read(program_.x)); }}};
  for (const auto& [what, close] : closing) {
    const Ticket done = submit(0);
    plan_->wait(done, steps, never_cancelled);
    const Ticket under_way = submit(1), behind = submit(2);
    plan_->wait(under_way, 2, never_cancelled);
    close();
    expect_stale(under_way, what);
    expect_stale(behind, what);
    EXPECT_EQ(read(done), expected_[0]) << "pictures stay after " << what;
    EXPECT_EQ(paint(3), expected_[3]) << "after " << what;
  }
  const Ticket done = submit(0);
  plan_->wait(done, steps, never_cancelled);
  plan_->capture(false, 0, [](const Op&, const Shape&, std::span<const float>) {});
  expect_stale(done, "a capture paints over the pictures");
}

TEST_P(Tickets, OfNothingOrOfAnotherPlanAreStale) {
  expect_stale({}, "of no run");
  const Ticket ticket = submit(0);
  plan_->wait(ticket, steps, never_cancelled);
  const auto other = std::exchange(plan_, make_plan());  // both live
  expect_stale(ticket, "of another plan");
  paint(0);
  expect_stale(ticket, "of another plan that has painted as much");
}

TEST_P(Tickets, ThatMakeNoSenseAreRefused) {
  settings_error([this] { submit(0, 0, most_steps + 1); });
  settings_error([this] { submit(0, 3, 3); });
  settings_error([this] { submit(0, 4, 3); });
  const std::vector<IconPoint> two(2);
  settings_error([&] { plan_->submit(two, 0, steps); });
  const Ticket ticket = submit(0, 0, steps);
  settings_error([&] { plan_->wait(ticket, 0, never_cancelled); });
  settings_error([&] { plan_->wait(ticket, steps + 1, never_cancelled); });
  EXPECT_NE(settings_error([&] { read(ticket); }).find("not done"), std::string::npos);
  plan_->wait(ticket, steps, never_cancelled);
  EXPECT_EQ(read(ticket), expected_[0]) << "what was refused changed nothing";
}

TEST_P(Tickets, CancelledInTheMiddleLeaveThePlanUsable) {
  const Ticket done = submit(0);
  plan_->wait(done, steps, never_cancelled);
  // A fast device may be through before the other thread wakes up, hence again and again.
  std::atomic<bool> cancel{false};
  std::thread canceller([&cancel] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    cancel = true;
  });
  Ticket last, behind;
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THROW(
      while (true) {
        last = submit(1, 0, most_steps);
        behind = submit(2);
        plan_->wait(last, most_steps, cancel);
        plan_->drop();
      },
      Cancelled);
  canceller.join();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
  expect_stale(last, "cancelled");
  expect_stale(behind, "behind the one cancelled");
  EXPECT_EQ(paint(3), expected_[3]);
  const Ticket ticket = submit(2);
  EXPECT_THROW(plan_->wait(ticket, steps, cancel), Cancelled) << "at the start";
  expect_stale(ticket, "cancelled at the start");
  EXPECT_EQ(paint(2), expected_[2]);
}

TEST_P(Tickets, RunIsSubmitAndWaitForTheIconsOfTheRequest) {
  const Ticket ticket = plan_->run(0, steps, never_cancelled);
  const Picture picture = read(ticket);
  EXPECT_EQ(paint(100), picture);
  EXPECT_THROW(plan_->run(0, steps, std::atomic<bool>{true}), Cancelled);
  EXPECT_EQ(paint(1), expected_[1]) << "nothing was left open";
}

std::vector<std::string> exact_kinds() {
  std::vector<std::string> kinds = {"cpu", "vulkan", "vulkan_block_f32"};
  for (const std::string& kind : fused_kinds()) {
    if (kind == "vulkan_single_f32") kinds.push_back(kind);
  }
  return kinds;
}

INSTANTIATE_TEST_SUITE_P(Executors, Tickets, ::testing::ValuesIn(exact_kinds()),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace dit::test
