// SPDX-License-Identifier: MIT
// What an executor is: it opens a device once, then runs recorded programs. Two exist: cpu/ and vulkan/.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/recorder.h"
#include "engine/sampler.h"

namespace dit {

/// What `dit devices` prints.
struct DeviceInfo {
  std::string spec;       ///< what selects it again: "cpu", "vulkan:0"
  std::string name;       ///< "AMD EPYC, 2 threads, AVX3_ZEN4", "NVIDIA H200"
  std::string driver;     ///< driver name and version; empty for the CPU
  std::string api;        ///< "1.3.239"; empty for the CPU
  std::string problem;    ///< why this device cannot be used; empty if it can
  bool software = false;  ///< a Vulkan device that is really the CPU
  bool hardware_gpu = false;
  std::uint64_t memory_bytes = 0;  ///< the largest device-local heap, or host memory
  /// Further facts worth printing, name and value.
  std::vector<std::pair<std::string, std::string>> limits;
};

/// One icon's place in the noise: an icon is a pure function of (weights, settings, seed, index).
struct IconKey {
  std::uint64_t seed = 0;
  std::uint64_t index = 0;
};

/// All that may change from icon to icon without a new plan. Sizes must match the plan's PlanShape.
struct Request {
  std::vector<IconKey> icons;                 ///< [B]
  std::vector<float> condition;               ///< [S,K,cond_dim]
  std::vector<std::uint32_t> modulation_row;  ///< [S,R]: row of the modulation tables for each row at each step
  std::vector<SolverRow> solver;              ///< [S]
  std::vector<std::uint32_t> solver_row;      ///< [S,B]: row of `solver` for each icon at each step; 0 starts an icon
};

/// Called after an op of a captured step with that op's output as f32.
using Checkpoint = std::function<void(const Op& op, const Shape& shape, std::span<const float> values)>;

/// For runs that nobody cancels.
inline const std::atomic<bool> never_cancelled{false};

/// A recorded program on a device, everything allocated. One thread at a time; the Executor must outlive it.
class Plan {
 public:
  virtual ~Plan() = default;

  /// Copies the request to the device. errors: Error{settings} if a size does not match the shape.
  virtual void set_request(const Request& request) = 0;
  /// Runs Program::prepare. Needed after a request with another condition table.
  /// cancel  polled between ops where the host runs them; when true, Cancelled is thrown and prepare is owed
  virtual void prepare(const std::atomic<bool>& cancel) = 0;
  /// Runs steps [first, last) and waits for them.
  /// cancel  polled at least once a step; when true, running work ends and Cancelled is thrown
  virtual void run(std::uint32_t first, std::uint32_t last, const std::atomic<bool>& cancel) = 0;
  /// The icon as of the last step run. out [H,W,4] u8, straight alpha.
  virtual void read_rgba(std::uint32_t icon, std::span<std::uint8_t> out) = 0;

  /// Copies an activation out of or into the plan, as f32. Slow; for tests and captures.
  virtual std::vector<float> read(TensorId id) = 0;
  virtual void write(TensorId id, std::span<const float> values) = 0;
  /// Runs Program::prepare (prepare = true) or one step op by op and shows every output. Slow; for tests and captures.
  virtual void capture(bool prepare, std::uint32_t step, const Checkpoint& checkpoint) = 0;

  virtual const Program& program() const noexcept = 0;
};

/// An opened device with one model's weights on it. One thread at a time.
class Executor {
 public:
  virtual ~Executor() = default;
  virtual const DeviceInfo& info() const noexcept = 0;
  /// Allocates all that the program needs. errors: out_of_memory, device, unsupported
  virtual std::unique_ptr<Plan> plan(Program program) = 0;
};

}  // namespace dit
