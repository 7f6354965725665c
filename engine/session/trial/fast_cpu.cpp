// SPDX-License-Identifier: MIT
#include "engine/session/trial/fast_cpu.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "engine/cpu/executor.h"
#include "engine/network/recorder.h"
#include "engine/session/trial/difference.h"

namespace dit {
namespace {

/// Four icons of the shipped model are 48·10⁹ operations in either precision: 0.3 s on one core of an AMD EPYC.
constexpr double most_operations = 1e11;

double operations(const SelfTest& test) {
  const SelfTest::Tried tried = test.tried(1);
  return static_cast<double>(flop_count(tried.program, tried.program.step)) * tried.program.shape.steps *
         static_cast<double>(tried.requests.size());
}

PictureDifference compare(Executor& executor, const SelfTest& test, const std::vector<SelfTest::Known>& known) {
  const SelfTest::Tried tried = test.tried(1);
  const auto plan = executor.plan(tried.program);
  PictureDifference all;
  std::vector<std::uint8_t> rgba(pixels_of(tried.program) * 4);
  for (std::size_t i = 0; i < tried.requests.size(); ++i) {
    plan->set_request(tried.requests[i]);
    plan->prepare(never_cancelled);
    plan->read(plan->run(0, tried.program.shape.steps, never_cancelled), 0, rgba);
    const PictureDifference one = picture_difference(rgba, known[i].rgba);
    all.share += one.share / static_cast<double>(tried.requests.size());
    all.largest = std::max(all.largest, one.largest);
  }
  return all;
}

std::optional<PictureDifference> kept_in(const CacheFolder& folder, const std::string& name) {
  const std::optional<std::string> bytes = folder.read(name);
  if (!bytes || bytes->size() != sizeof(PictureDifference)) return {};
  PictureDifference difference;
  std::memcpy(&difference, bytes->data(), sizeof(difference));
  return difference;
}

}  // namespace

FastCpu open_fast_cpu(const std::shared_ptr<const Weights>& weights, DeviceOptions options, const SelfTestSource& test,
                      const std::string& key, const CacheFolder& folder) {
  const auto open = [&](Precision precision) {
    options.precision = precision;
    return cpu::open(weights, options);
  };
  if (!test || !cpu::serves(Precision::int16)) return {open(Precision::f32), ""};
  const std::string name = fmt::format("fast-cpu-{:016x}.bin", checksum(key));
  std::optional<PictureDifference> difference = kept_in(folder, name);
  if (!difference && operations(test()) > most_operations)
    return {open(Precision::f32), "precision f32: icons of this model take too long to try int16"};
  // Where nothing can be kept, every start would pay for the trial.
  if (!difference && !folder.write(name, ""))
    return {open(Precision::f32), "precision f32: there is no cache folder to keep a trial of int16 in"};
  // The reference first: what it holds is free again before the next is packed.
  const std::vector<SelfTest::Known>* known = difference ? nullptr : &test().known(false);
  if (!difference || looks_the_same(*difference)) {
    FastCpu fast = {open(Precision::int16), ""};
    if (!difference) {
      difference = compare(*fast.executor, test(), *known);
      // What another run has kept may be of a file that was replaced within the clock's grain.
      if (!looks_the_same(*difference)) difference = compare(*fast.executor, test(), test().known(true));
      folder.write(name, {reinterpret_cast<const char*>(&*difference), sizeof(*difference)});
    }
    if (looks_the_same(*difference)) {
      fast.note = "precision int16, " + text_of(*difference);
      return fast;
    }
  }
  return {open(Precision::f32), fmt::format("int16 has {}; precision f32", text_of(*difference))};
}

}  // namespace dit
