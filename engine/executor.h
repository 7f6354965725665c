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

#include "engine/error.h"
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
  std::string note;       ///< of an opened device: why an automatic precision is this one; empty where none was tried
  bool software = false;  ///< a Vulkan device that is really the CPU
  bool hardware_gpu = false;
  bool integrated = false;  ///< a GPU on the processor's chip, or of a virtual machine: perhaps slower than the CPU
  std::uint64_t memory_bytes = 0;  ///< the largest device-local heap, or host memory
  /// Further facts worth printing, name and value.
  std::vector<std::pair<std::string, std::string>> limits;
};

/// How weights and activations are held and multiplied.
enum class Precision {
  /// The fastest whose pictures look like those of f32 (session/trial/difference.h) on a device where it is known to be
  /// faster: f16-matrix, int16 on the CPU; elsewhere f32. An executor of the CPU that is opened alone takes f32.
  automatic,
  f32,
  f16,         ///< weights and activations in f16, sums in f32
  f16_matrix,  ///< f16 on matrix hardware, sums in f32
  int8,        ///< weights and left sides in int8, sums in i32
  bf16,        ///< weights and left sides in bf16, sums in f32
  int16,       ///< weights and left sides in 14 bits with scales, sums of 64 in i32, of those in f32
};

/// How ops become dispatches on Vulkan; the CPU executor takes any and ignores it.
enum class Fusion {
  automatic,   ///< what is fastest on the device's class, see vulkan/choose/device_table.h
  none,        ///< a dispatch for every piece of an op
  op,          ///< a dispatch an op
  block,       ///< a few dispatches a transformer block
  persistent,  ///< "single": one dispatch for all steps
};

/// Property and command-line names: "auto", "f32", "f16", "f16-matrix", "int8", "bf16", "int16"; "auto", "none", "op",
/// "block", "single".
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
  std::vector<IconPoint> icons;  ///< [B]
  std::vector<float> condition;  ///< [S,K,cond_dim]
  std::vector<float> context;    ///< [K,rows of a prompt,cond_dim]; empty where the program has none
  /// [L,R]: row s·K + k of the modulation tables for each row at each step; its prompt is that of condition k.
  std::vector<std::uint32_t> modulation_row;
  std::vector<SolverRow> solver;          ///< [S]
  std::vector<std::uint32_t> solver_row;  ///< [L,B]: row of `solver` for each icon at each step; its `first` starts one
};

/// What a user should hear of once.
struct Notice {
  std::uint64_t number = 0;  ///< grows with every new one
  std::string text;          ///< empty: nothing is wrong any more
};

/// For executors: that the request fits the program, and L, the steps it can run.
/// errors  throws Error{settings} naming the table, what was expected and what was found
std::uint32_t check_request(const Program& program, const Request& request);
/// H·W of the program's icons.
std::size_t pixels_of(const Program& program);
/// For executors: that the icons' sketches have the program's size, and are there only where it takes them.
/// errors  throws Error{settings} naming the icon, what was expected and what was found
void check_sketches(const Program& program, std::span<const IconPoint> icons);

/// Called after an op of a captured step with that op's output as f32.
using Checkpoint = std::function<void(const Op& op, const Shape& shape, std::span<const float> values)>;

/// A run that a plan was asked for. A value: a copy is as good, and to lose one does nothing. No two runs of the
/// process have the same; one made of nothing names no run.
struct Ticket {
  std::uint32_t id = 0;          ///< ring entry of the run: below most_open_runs + 1
  std::uint64_t generation = 0;  ///< counts the runs of the process; 0: no run
  bool operator==(const Ticket&) const = default;
};

/// Runs of a plan that may be open: one under way, and one that waits behind it.
inline constexpr std::uint32_t most_open_runs = 2;

/// A recorded program on a device, everything allocated. The Executor must outlive it.
///
/// A run is steps [first, last) of the request's L for some icons. It is *open* from submit() until a wait() for its
/// last step has come back, then *done*. Runs are done in the order of their submission, and one whose first step
/// starts no icons goes on from where the run before it ended.
///   pictures  read(ticket) gives those of the run done last; the next run done takes their place
///   stale     a ticket whose run was closed, whose pictures were replaced, or that is of another plan: wait and read
///             throw Error{settings} that says which runs there are
///   closing   every open run is closed by set_request, prepare, drop, capture and read and write of tensors, by a wait
///             that is cancelled, and by a wait or a submit that fails in the device. What the device is at is waited
///             for, the steps after it are never run, and the state of the icons is undefined: the next run starts
///             them. Pictures of the run done last stay; only a capture takes them too
///   lost      once the device is lost, every call that needs it throws Error{device}, and no run stays open
///   dropped   a ticket that nobody waits for keeps its place, until a later one is waited for, which does its steps
///             first, or until something closes it
///   memory    submit, wait, read(ticket) and drop allocate nothing, but for what a driver does, and for command
///             buffers of lengths not met before
/// thread  one at a time among an executor and all its plans, except read(ticket): it touches this plan alone
class Plan {
 public:
  virtual ~Plan() = default;

  /// Copies the request to the device; its icons are those of run() and capture(), and what their sketches refer to
  /// must stay until the last of these.
  /// errors  Error{settings} if a size does not fit the shape
  virtual void set_request(const Request& request) = 0;
  /// Runs Program::prepare. Needed after a request with another condition table.
  /// cancel  polled between ops where the host runs them; when true, Cancelled is thrown and prepare is owed
  virtual void prepare(const std::atomic<bool>& cancel) = 0;

  /// Asks for steps [first, last) for these B icons, after the runs that are open. A device beside the host is given
  /// the first steps at once, and wait() keeps it busy from then on; where the host itself computes the run is only
  /// noted, and wait() does it. Bytes of sketches are copied.
  /// first   0 ≤ first < last ≤ L
  /// errors  settings: icons or steps that do not fit, or most_open_runs are open; device, out_of_memory
  virtual Ticket submit(std::span<const IconPoint> icons, std::uint32_t first, std::uint32_t last) = 0;
  /// Comes back when the steps of the ticket's run before `step` are done, and all runs that were open before it: a
  /// later ticket is served in order. Steps from `step` on may then be done too, and on a GPU be under way; a software
  /// device is idle then, so that others have their turn of the processor. At the end of a run a device beside the host
  /// goes on with the run behind it.
  /// step    first < step ≤ last of the run
  /// cancel  polled at the start and at least once a step; when true, running work ends and Cancelled is thrown
  /// errors  Cancelled, device; settings if the ticket is stale, or the step not one of the run's
  virtual void wait(const Ticket& ticket, std::uint32_t step, const std::atomic<bool>& cancel) = 0;
  /// An icon as of the end of the ticket's run. out [H,W,4] u8, straight alpha.
  /// errors  settings if the run is not done, or the ticket stale, or icon or size do not fit
  virtual void read(const Ticket& ticket, std::uint32_t icon, std::span<std::uint8_t> out) = 0;
  /// Closes every open run.
  virtual void drop() = 0;
  /// Where Executor::refreshes(): takes up what has been edited meanwhile. True if something has: it closes every open
  /// run then and has made the tables of prepare() anew; what the last steps of a run that was done left stays.
  /// errors  device, out_of_memory
  virtual bool refresh() { return false; }
  /// Time that the device itself spent in the run done last, if it can tell.
  virtual std::optional<std::chrono::nanoseconds> device_time() const { return std::nullopt; }

  /// submit() and wait() for the request's icons: for tests, captures and measurements. Nothing is submitted once
  /// `cancel` is true. errors  theirs
  Ticket run(std::uint32_t first, std::uint32_t last, const std::atomic<bool>& cancel);
  /// Of the last request.
  virtual std::span<const IconPoint> icons() const noexcept = 0;

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
  /// Whether what its plans run may be edited while they do, so that Plan::refresh() is to be called before an icon
  /// starts. The same for as long as it lives; any thread.
  virtual bool refreshes() const noexcept { return false; }
  /// What is wrong with the latest edit.
  virtual Notice notice() const { return {}; }
  /// Allocates all that the program needs.
  /// cancel  polled before kernels are built
  /// errors  out_of_memory, device, unsupported; Cancelled
  virtual std::unique_ptr<Plan> plan(Program program, const std::atomic<bool>& cancel = never_cancelled) = 0;
};

}  // namespace dit
