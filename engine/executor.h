// SPDX-License-Identifier: MIT
// What an executor is: it opens a device once, then runs recorded programs. Two exist: cpu/ and vulkan/.
#pragma once

#include <atomic>
#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/network/noise.h"
#include "engine/network/recorder.h"
#include "engine/network/solver.h"

namespace dit {

/// What `dit devices` prints.
struct DeviceInfo {
  std::string spec;       ///< what selects it again: "cpu", "vulkan:0"
  std::string name;       ///< "AMD EPYC, 2 threads, AVX3_ZEN4", "NVIDIA H200"
  std::string driver;     ///< driver name and version; empty for the CPU
  std::string api;        ///< "1.3.239"; empty for the CPU
  std::string problem;    ///< why this device cannot be used; empty if it can
  std::string precision;  ///< of an opened device, what Precision::automatic became: "f32"; empty in a mere listing
  std::string fusion;     ///< likewise, or "auto" where each plan's is measured; empty for the CPU
  std::string warning;    ///< of an opened device: what was asked for, fails here, and what is used instead; or empty
  bool software = false;  ///< a Vulkan device that is really the CPU
  bool hardware_gpu = false;
  std::uint64_t memory_bytes = 0;  ///< the largest device-local heap, or host memory
  /// Further facts worth printing, name and value.
  std::vector<std::pair<std::string, std::string>> limits;
};

/// How weights and activations are held and multiplied.
enum class Precision {
  automatic,  ///< f32: an icon is the same on every device
  f32,
  f16,         ///< weights and activations in f16, sums in f32
  f16_matrix,  ///< f16 on matrix hardware, sums in f32
  int8,        ///< weights and left sides in int8, sums in i32
};

/// How ops become dispatches on Vulkan; the CPU executor takes any and ignores it.
enum class Fusion {
  automatic,   ///< what is fastest on the device's class, see vulkan/choose/device_table.h
  none,        ///< a dispatch for every piece of an op
  op,          ///< a dispatch an op
  block,       ///< a few dispatches a transformer block
  persistent,  ///< "single": one dispatch for all steps
};

/// Property and command-line names: "auto", "f32", "f16", "f16-matrix", "int8"; "auto", "none", "op", "block",
/// "single".
const char* name_of(Precision precision) noexcept;
const char* name_of(Fusion fusion) noexcept;
/// errors  throws Error{settings} that lists the known names
Precision precision_from_name(std::string_view name);
Fusion fusion_from_name(std::string_view name);

/// What an executor may be told when it is opened.
struct DeviceOptions {
  unsigned threads = 0;  ///< CPU executor; 0 = one per available core
  Precision precision = Precision::automatic;
  Fusion fusion = Fusion::automatic;
  /// Quantised weights become f32 once, at load, instead of being unpacked in each product: the same pictures to the
  /// bit, four to eight times the memory.
  bool expand_weights = false;
  auto operator<=>(const DeviceOptions&) const = default;
};

/// All that may change from icon to icon without a new plan. S solver rows and L steps to run, each at most
/// PlanShape::steps; L = S unless icons of one batch are at different steps. B, R and K are those of the plan.
struct Request {
  std::vector<IconPoint> icons;               ///< [B]
  std::vector<float> condition;               ///< [S,K,cond_dim]
  std::vector<std::uint32_t> modulation_row;  ///< [L,R]: row of the modulation tables for each row at each step
  std::vector<SolverRow> solver;              ///< [S]
  std::vector<std::uint32_t> solver_row;      ///< [L,B]: row of `solver` for each icon at each step; 0 starts an icon
};

/// For executors: that the request fits the program, and L, the steps it can run.
/// errors  throws Error{settings} naming the table, what was expected and what was found
std::uint32_t check_request(const Program& program, const Request& request);

/// Called after an op of a captured step with that op's output as f32.
using Checkpoint = std::function<void(const Op& op, const Shape& shape, std::span<const float> values)>;

/// For runs that nobody cancels.
inline const std::atomic<bool> never_cancelled{false};

/// A recorded program on a device, everything allocated. The Executor must outlive it.
/// thread  one at a time among an executor and all its plans, except set_request, set_icons and read_rgba: those touch
///         this plan alone
class Plan {
 public:
  virtual ~Plan() = default;

  /// Copies the request to the device. errors: Error{settings} if a size does not fit the shape.
  virtual void set_request(const Request& request) = 0;
  /// The same where nothing but the icons has changed; costs next to nothing. errors: Error{settings} unless there are
  /// B.
  virtual void set_icons(std::span<const IconPoint> icons) = 0;
  /// Runs Program::prepare. Needed after a request with another condition table.
  /// cancel  polled between ops where the host runs them; when true, Cancelled is thrown and prepare is owed
  virtual void prepare(const std::atomic<bool>& cancel) = 0;
  /// Runs steps [first, last) of the request's L and waits for them. History slots go by the step's number mod 4.
  /// cancel  polled at least once a step; when true, running work ends and Cancelled is thrown
  virtual void run(std::uint32_t first, std::uint32_t last, const std::atomic<bool>& cancel) = 0;
  /// Where the device works beside the host, has it run [first, last) for these icons after what it is at, and comes
  /// back at once: a run() of the same steps and icons then goes on from there, and read_rgba() gives the pictures of
  /// the run before until it ends. One run may be under way and one wait behind it; more are not taken. Any other run
  /// or request drops both, so `first` is where the icons start. Elsewhere nothing happens, and the run() does it all.
  /// errors  settings, device, out_of_memory
  virtual void start(std::span<const IconPoint> /*icons*/, std::uint32_t /*first*/, std::uint32_t /*last*/) {}
  /// Time that the device itself spent in the last run(), if it can tell.
  virtual std::optional<std::chrono::nanoseconds> device_time() const { return std::nullopt; }
  /// The icon as of the last step run. out [H,W,4] u8, straight alpha.
  virtual void read_rgba(std::uint32_t icon, std::span<std::uint8_t> out) = 0;

  /// Copies an activation out of or into the plan, as f32. Slow; for tests and captures.
  virtual std::vector<float> read(TensorId id) = 0;
  virtual void write(TensorId id, std::span<const float> values) = 0;
  /// Runs Program::prepare (prepare = true) or one step op by op and shows every output. Slow; for tests and captures.
  virtual void capture(bool prepare, std::uint32_t step, const Checkpoint& checkpoint) = 0;

  virtual const Program& program() const noexcept = 0;
};

/// An opened device with one model's weights on it.
/// thread  one at a time among the executor and all its plans
class Executor {
 public:
  virtual ~Executor() = default;
  virtual const DeviceInfo& info() const noexcept = 0;
  /// Whether the device is gone for good: a driver reset, or work that hangs. Any thread.
  virtual bool lost() const noexcept { return false; }
  /// Allocates all that the program needs.
  /// cancel  polled before kernels are built
  /// errors  out_of_memory, device, unsupported; Cancelled
  virtual std::unique_ptr<Plan> plan(Program program, const std::atomic<bool>& cancel = never_cancelled) = 0;
};

}  // namespace dit
