// SPDX-License-Identifier: MIT
#include "engine/session/session.h"

#include <algorithm>
#include <atomic>
#include <numeric>
#include <utility>

#include "engine/network/dit.h"

namespace dit {
namespace {

/// Settings with every default of the model filled in.
struct Resolved {
  Label label;
  std::optional<Label> toward;
  std::uint32_t steps = 0;
  Sampler sampler = Sampler::euler;
  double guidance = 1;
};

Resolved resolve(const ModelConfig& config, const IconSettings& settings) {
  const auto read = [&](const std::shared_ptr<const Label>& label, const std::string& prompt) {
    return label ? *label : parse_label(config, prompt, settings.style);
  };
  Resolved resolved = {.label = read(settings.label, settings.prompt),
                       .toward = {},
                       .steps = settings.steps.value_or(config.default_steps),
                       .sampler = settings.sampler ? *settings.sampler : sampler_from_name(config.default_sampler),
                       .guidance = settings.guidance.value_or(config.default_guidance)};
  if (settings.toward_prompt) resolved.toward = read(settings.toward_label, *settings.toward_prompt);
  return resolved;
}

bool differ_only_in_seed(const IconSettings& a, const IconSettings& b) {
  return a.prompt == b.prompt && a.style == b.style && a.toward_prompt == b.toward_prompt && a.steps == b.steps &&
         a.sampler == b.sampler && a.guidance == b.guidance;
}

/// Which icon of a pipeline is at which of its steps, tick by tick. Slot b starts an icon `interval` ticks after slot
/// b − 1, and its next one `period` ticks later; what it does between its last step and then is not looked at.
struct Rhythm {
  std::uint32_t steps = 1;
  std::uint32_t slots = 1;

  std::uint32_t interval() const { return (steps + slots - 1) / slots; }
  std::uint32_t period() const { return interval() * slots; }
  /// Ticks after which all repeats, the executor's four history slots too.
  std::uint32_t length() const { return std::lcm(period(), 4u); }
  /// The slot whose icon starts with a tick.
  std::optional<std::uint32_t> starting(std::uint64_t tick) const {
    if (tick % interval() != 0) return {};
    return static_cast<std::uint32_t>(tick / interval() % slots);
  }
  /// The slot whose icon is finished by a tick.
  std::optional<std::uint32_t> finishing(std::uint64_t tick) const {
    if (tick + 1 < steps) return {};
    return starting(tick + 1 - steps);
  }
  /// Steps that slot b's icon has behind it at the start of a tick.
  std::uint32_t age(std::uint64_t tick, std::uint32_t slot) const {
    return static_cast<std::uint32_t>((tick + period() - slot * interval()) % period());
  }
};

}  // namespace

struct Session::State {
  std::shared_ptr<Engine> engine;
  std::unique_ptr<Plan> plan;
  Request request;
  std::optional<IconSettings> settings;  // what plan, request and the tables on the device were made for
  Label label;
  std::vector<SolverStep> schedule;
  std::uint32_t count = 0;
  std::uint32_t step = 0;
  std::vector<IconPoint> counted;  // the icons of a begin() that counts them

  // Conditioning: one vector of cond_dim a step, and one a condition.
  std::vector<float> times, labels, from_label, toward_label;

  bool prepared = false;        // the tables on the device are those of `request`
  bool started = false;         // the plan has been told to begin this batch
  std::vector<IconPoint> next;  // the batch after it, if the plan has been told of that too
  std::uint32_t ahead = 0;      // step up to which the plan has been told to go on with this one

  bool pipelined = false;  // what `request` is made for
  IconSource source;       // of a running pipeline
  Rhythm rhythm;
  std::uint64_t tick = 0, begun = 0;

  std::atomic<bool> cancel{false};

  void configure(const IconSettings& wanted, std::uint32_t batch, bool pipeline);
  void make_plan(PlanShape shape);
  void condition(const Resolved& resolved);
  void fill_rows();
  void blend_conditions();
  void prepare();
  void run(std::uint32_t first, std::uint32_t last);
  /// Whether the device may be told of work before it is waited for: sessions that share a processor take turns of one
  /// step, which work under way would not give up.
  bool looks_ahead() const { return engine->sessions() == 1 || engine->device().hardware_gpu; }
  void start_next_step();
  /// Whether a batch differs from the one begun in its icons' noise alone.
  bool asks_for_icons_only(const IconSettings& wanted, std::span<const IconPoint> icons) const;

  const ModelConfig& config() const { return engine->model().config(); }
};

/// All that a seed or an index does not change. Strong enough that a failure leaves nothing half made in use.
void Session::State::configure(const IconSettings& wanted, std::uint32_t batch, bool pipeline) {
  if (settings && count == batch && pipelined == pipeline && differ_only_in_seed(*settings, wanted)) return;
  const Resolved resolved = resolve(config(), wanted);
  // Checked before the plan is made, so that a bad number of steps never sizes memory.
  auto table = solver_table(config(), resolved.sampler, resolved.steps, resolved.guidance);
  settings.reset();
  const bool guided = resolved.guidance != 1;
  rhythm = {.steps = resolved.steps, .slots = batch};
  make_plan({.batch = batch,
             .conditions = (resolved.toward ? batch : 1u) + (guided ? 1u : 0u),
             .steps = pipeline ? rhythm.length() : resolved.steps,
             .guided = guided});
  schedule = std::move(table);
  pipelined = pipeline;
  count = batch;
  condition(resolved);
  fill_rows();
  prepare();
  label = resolved.label;
  settings = wanted;
}

/// A plan for at least shape.steps steps, so that fewer steps need no new one.
void Session::State::make_plan(PlanShape shape) {
  if (plan) {
    const PlanShape& old = plan->program().shape;
    // Rows beyond those in use cost time whenever the condition changes, so a far larger plan is not kept.
    const bool fits = shape.steps <= old.steps && old.steps <= std::max(64u, 4 * shape.steps);
    if (fits && shape.batch == old.batch && shape.conditions == old.conditions && shape.guided == old.guided) return;
  }
  const Turns::Turn turn(engine->turns(), cancel);
  // The old plan's memory must be free before the new one asks for its own.
  plan.reset();
  plan = engine->executor().plan(record(config(), shape), cancel);
}

/// Time and label vectors, and the condition of every step made of them.
void Session::State::condition(const Resolved& resolved) {
  const Conditioning& conditioning = engine->conditioning();
  const PlanShape& shape = plan->program().shape;
  const std::size_t width = config().cond_dim;
  const auto row = [width](std::vector<float>& rows, std::size_t i) {
    return std::span(rows).subspan(i * width, width);
  };
  times.resize(schedule.size() * width);
  for (std::size_t s = 0; s < schedule.size(); ++s) conditioning.time(schedule[s].t, row(times, s));
  labels.resize(shape.conditions * width);
  conditioning.label(resolved.label, row(labels, 0));
  if (shape.guided) conditioning.label(conditioning.null_label(), row(labels, shape.conditions - 1));
  from_label.clear();
  if (resolved.toward) {
    from_label.assign(labels.begin(), labels.begin() + static_cast<std::ptrdiff_t>(width));
    toward_label.resize(width);
    conditioning.label(*resolved.toward, toward_label);
    for (std::uint32_t icon = 1; icon < count; ++icon) std::ranges::copy(from_label, row(labels, icon).begin());
  }
  request.condition.resize(schedule.size() * shape.conditions * width);
  conditioning.table(times, labels, request.condition);
}

/// Which rows of the tables each icon reads at each step.
void Session::State::fill_rows() {
  const PlanShape& shape = plan->program().shape;
  const std::uint32_t length = pipelined ? rhythm.length() : rhythm.steps;
  request.icons.assign(shape.batch, {});
  request.solver.clear();
  for (const SolverStep& entry : schedule) request.solver.push_back(entry.row);
  request.modulation_row.clear();
  request.solver_row.clear();
  for (std::uint32_t l = 0; l < length; ++l) {
    for (std::uint32_t r = 0; r < shape.rows(); ++r) {
      const std::uint32_t icon = r % shape.batch;
      const std::uint32_t s = pipelined ? std::min(rhythm.age(l, icon), rhythm.steps - 1) : l;
      const std::uint32_t own = from_label.empty() ? 0 : icon;
      request.modulation_row.push_back(s * shape.conditions + (r < shape.batch ? own : shape.conditions - 1));
      if (r < shape.batch) request.solver_row.push_back(s);
    }
  }
}

/// Each icon's condition between the two prompts.
void Session::State::blend_conditions() {
  const std::size_t width = config().cond_dim;
  for (std::uint32_t icon = 0; icon < count; ++icon) {
    blend_labels(from_label, toward_label, request.icons[icon].blend, std::span(labels).subspan(icon * width, width));
  }
  engine->conditioning().table(times, labels, request.condition);
}

void Session::State::prepare() {
  prepared = false;
  plan->set_request(request);
  const Turns::Turn turn(engine->turns(), cancel);
  plan->prepare(cancel);
  prepared = true;
}

bool Session::State::asks_for_icons_only(const IconSettings& wanted, std::span<const IconPoint> icons) const {
  return settings && prepared && !pipelined && from_label.empty() && icons.size() == count &&
         differ_only_in_seed(*settings, wanted);
}

/// Steps [first, last), in as many turns as fairness to other sessions asks for.
void Session::State::run(std::uint32_t first, std::uint32_t last) {
  while (first < last) {
    const bool step_by_step = engine->sessions() > 1 && !engine->device().hardware_gpu;
    const std::uint32_t until = step_by_step ? first + 1 : last;
    const Turns::Turn turn(engine->turns(), cancel);
    plan->run(first, until, cancel);
    first = until;
  }
}

/// Puts step `step + 2` behind step `step + 1`, for whom takes one after the other.
void Session::State::start_next_step() {
  const Turns::Turn turn(engine->turns(), cancel);
  if (ahead <= step) plan->start(request.icons, step, step + 1);
  plan->start(request.icons, step + 1, step + 2);
  ahead = step + 2;
}

Session::Session() : state_(std::make_unique<State>()) {}

Session::~Session() {
  State& s = *state_;
  const Turns::Turn turn(s.engine->turns(), never_cancelled);
  s.plan.reset();
  --s.engine->sessions();
}

std::unique_ptr<Session> Session::open(std::shared_ptr<Engine> engine) {
  std::unique_ptr<Session> session(new Session);
  session->state_->engine = std::move(engine);
  ++session->state_->engine->sessions();
  return session;
}

std::unique_ptr<Session> Session::open(const SessionOptions& options) { return open(Engine::open(options)); }

const std::shared_ptr<Engine>& Session::engine() const noexcept { return state_->engine; }
const Model& Session::model() const noexcept { return state_->engine->model(); }
const DeviceInfo& Session::device() const noexcept { return state_->engine->device(); }
const std::string& Session::device_note() const noexcept { return state_->engine->device_note(); }
std::uint32_t Session::step() const noexcept { return state_->step; }
std::uint32_t Session::steps() const noexcept { return static_cast<std::uint32_t>(state_->schedule.size()); }
const std::vector<SolverStep>& Session::schedule() const noexcept { return state_->schedule; }
const Label& Session::label() const noexcept { return state_->label; }

std::optional<std::chrono::nanoseconds> Session::device_time() const {
  return state_->plan ? state_->plan->device_time() : std::nullopt;
}

void Session::cancel() noexcept {
  state_->cancel = true;
  state_->engine->turns().wake();
}

void Session::resume() noexcept { state_->cancel = false; }

void Session::begin(const IconSettings& settings, std::span<const IconPoint> icons) {
  State& s = *state_;
  if (s.cancel) throw Cancelled();
  expect(!icons.empty() && icons.size() <= 1024, ErrorKind::settings, "batch: expected 1 to 1024 icons, found {}",
         icons.size());
  s.source = nullptr;
  s.started = s.asks_for_icons_only(settings, icons) && std::ranges::equal(icons, s.next);
  s.next.clear();
  s.configure(settings, static_cast<std::uint32_t>(icons.size()), false);
  const auto same_blend = [](const IconPoint& a, const IconPoint& b) { return a.blend == b.blend; };
  const bool moved = !s.from_label.empty() && !std::ranges::equal(icons, s.request.icons, same_blend);
  std::ranges::copy(icons, s.request.icons.begin());
  if (moved || !s.prepared) {
    if (moved) s.blend_conditions();
    s.prepare();
  } else {
    s.plan->set_icons(s.request.icons);
  }
  s.step = s.ahead = 0;
}

void Session::begin(const IconSettings& settings, std::uint64_t first_index, std::uint32_t count) {
  expect(count >= 1 && count <= 1024, ErrorKind::settings, "batch: expected 1 to 1024 icons, found {}", count);
  std::vector<IconPoint>& icons = state_->counted;
  icons.resize(count);
  for (std::uint32_t i = 0; i < count; ++i) icons[i] = {.from = {settings.seed, first_index + i}};
  begin(settings, icons);
}

void Session::prefetch(const IconSettings& settings, std::span<const IconPoint> icons) {
  State& s = *state_;
  if (s.cancel) throw Cancelled();
  // Nothing to prepare for the next, and this one is run all at once or is done.
  if (!s.asks_for_icons_only(settings, icons) || (s.step != 0 && s.step != steps())) return;
  if (std::ranges::equal(icons, s.next)) return;
  if (!s.looks_ahead()) return;
  const Turns::Turn turn(s.engine->turns(), s.cancel);
  if (s.step == 0 && !std::exchange(s.started, true)) s.plan->start(s.request.icons, 0, steps());
  s.plan->start(icons, 0, steps());
  s.next.assign(icons.begin(), icons.end());
}

void Session::advance(std::uint32_t step) {
  State& s = *state_;
  if (s.cancel) throw Cancelled();
  expect(s.settings && !s.pipelined, ErrorKind::settings, "advance: expected a batch begun, found {}",
         s.settings ? "a pipeline" : "none");
  expect(step >= 1 && step <= steps(), ErrorKind::settings, "step: expected 1 to {}, found {}", steps(), step);
  if (step <= s.step) return;
  // Two steps asked for one by one: so will be the third.
  const bool one_by_one = s.step > 0 && step == s.step + 1;
  // The device may be past the step where something else is asked for: then it starts again, as after a failure.
  const std::uint32_t first = s.ahead > s.step && !one_by_one ? 0 : s.step;
  if (!one_by_one) {
    s.ahead = 0;
  } else if (step < steps() && s.looks_ahead()) {
    s.start_next_step();
  }
  s.step = 0;
  s.run(first, step);
  s.step = step;
}

void Session::begin_pipeline(const IconSettings& settings, IconSource source, std::uint32_t slots) {
  State& s = *state_;
  if (s.cancel) throw Cancelled();
  expect(slots >= 1 && slots <= 1024, ErrorKind::settings, "pipeline: expected 1 to 1024 slots, found {}", slots);
  expect(!settings.toward_prompt, ErrorKind::settings, "pipeline: expected one prompt, found a way to another");
  s.source = nullptr;
  slots = std::min(slots, settings.steps.value_or(model().config().default_steps));
  s.configure(settings, std::max(1u, slots), true);
  s.tick = s.begun = 0;
  s.source = std::move(source);
}

std::uint32_t Session::next_icon() {
  State& s = *state_;
  expect(s.source != nullptr, ErrorKind::settings, "next icon: expected a pipeline, found none");
  // Taken away while it runs, so that a failure leaves no pipeline behind whose pictures nobody knows.
  IconSource source = std::exchange(s.source, nullptr);
  for (;;) {
    if (s.cancel) throw Cancelled();
    if (const auto slot = s.rhythm.starting(s.tick)) {
      s.request.icons[*slot] = source(s.begun++);
      s.plan->set_icons(s.request.icons);
    }
    // At once: all ticks until an icon is finished, the next one starts, or the tables are at their end.
    const auto first = static_cast<std::uint32_t>(s.tick % s.rhythm.length());
    std::uint32_t last = first;
    std::optional<std::uint32_t> finished;
    do {
      finished = s.rhythm.finishing(s.tick++);
      ++last;
    } while (!finished && !s.rhythm.starting(s.tick) && last < s.rhythm.length());
    s.run(first, last);
    if (!finished) continue;
    s.source = std::move(source);
    return *finished;
  }
}

void Session::read(std::uint32_t icon, std::span<std::uint8_t> out) {
  State& s = *state_;
  const std::size_t bytes = std::size_t{s.config().width} * s.config().height * 4;
  expect(icon < s.count, ErrorKind::settings, "icon: expected 0 to {}, found {}", s.count ? s.count - 1 : 0, icon);
  expect(out.size() == bytes, ErrorKind::settings, "icon buffer: expected {} bytes, found {}", bytes, out.size());
  s.plan->read_rgba(icon, out);
}

}  // namespace dit
