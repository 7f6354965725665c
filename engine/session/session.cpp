// SPDX-License-Identifier: MIT
#include "engine/session/session.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "engine/network/dit.h"
#include "engine/session/batch_request.h"

namespace dit {
namespace {

/// Kernels mark a pixel that is not finite by a colour under alpha 0, which no other pixel has.
bool is_finite(std::span<const std::uint8_t> rgba) {
  std::uint32_t marks = 0;
  for (std::size_t i = 0; i + 4 <= rgba.size(); i += 4)
    marks |= rgba[i + 3] == 0 ? std::uint32_t{rgba[i]} | rgba[i + 1] | rgba[i + 2] : 0u;
  return marks == 0;
}

/// A run that the plan has been asked for.
struct Asked {
  Ticket ticket;
  std::uint32_t last = 0;  // step after its last
  std::uint32_t done = 0;  // steps waited for
};

}  // namespace

struct Session::State {
  explicit State(std::shared_ptr<Engine> e)
      : engine(std::move(e)), batch(config(), engine->conditioning()), kept(pixels()), kept_for_announced(pixels()) {}

  std::shared_ptr<Engine> engine;
  std::unique_ptr<Plan> plan;
  BatchRequest batch;
  bool configured = false;  // the plan is one for the batch's shape
  bool prepared = false;    // the tables on the device are those of the batch
  Pace pace = Pace::whole;
  std::uint32_t step = 0;
  std::vector<IconPoint> counted;  // the icons of a begin() that counts them
  std::vector<IconPoint> taken;    // those of any begin(), their sketches kept
  KeptSketches kept;
  BatchKind kind;  // of icons to be begun

  std::vector<IconPoint> announced;  // the next batch; empty: none
  KeptSketches kept_for_announced;
  bool announced_is_alike = false;  // of the kind of the batch begun
  std::optional<Asked> running;     // goes on with the batch begun
  std::optional<Asked> following;   // behind it: its next step, or the announced batch
  bool outdated = false;            // the plan has been asked for what nobody wants any more
  Ticket shown;                     // of the pictures to be read

  IconSource source;  // of a running pipeline
  std::uint64_t tick = 0, begun = 0;

  std::uint64_t noticed = 0;  // Notice::number
  std::string warning;        // not taken yet

  std::atomic<bool> cancel{false};

  void configure(const IconSettings& wanted);
  void make_plan(const PlanShape& shape);
  void prepare();
  void refresh();
  void set_icons(std::span<const IconPoint> icons);
  void forget_asked();
  template <typename Work>
  void or_forget(Work&& work);
  Asked ask(std::span<const IconPoint> icons, std::uint32_t first, std::uint32_t last);
  void ask_for_batch(std::uint32_t first, std::uint32_t last);
  void ask_for_announced();
  void run(std::uint32_t first, std::uint32_t last);
  /// Whether the device may be asked for work before it is waited for: sessions that share a processor take turns of
  /// one step, which work under way would not give up.
  bool looks_beyond() const { return !shares_processor(); }
  bool shares_processor() const { return engine->sessions() > 1 && !engine->device().hardware_gpu; }
  bool announced_needs_icons_only() const {
    return !announced.empty() && announced_is_alike && prepared && !batch.blends();
  }

  void expect_batch(const char* what) const {
    expect(configured && prepared && !batch.pipeline(), ErrorKind::settings, "{}: expected a batch begun, found {}",
           what, batch.pipeline() ? "a pipeline" : "none");
  }

  const ModelConfig& config() const { return engine->model().config(); }
  std::size_t pixels() const { return std::size_t{config().width} * config().height; }
  std::uint32_t count() const { return batch.shape().batch; }
  std::uint32_t steps() const { return static_cast<std::uint32_t>(batch.schedule().size()); }
};

/// All that a seed or an index does not change, for icons of `kind`. Strong enough that a failure leaves nothing half
/// done in use.
void Session::State::configure(const IconSettings& wanted) {
  if (configured && batch.is_for(wanted, kind)) return;
  batch.make(wanted, kind);
  configured = prepared = false;
  make_plan(batch.shape());
  configured = true;
}

/// A plan for at least shape.steps steps, so that fewer steps need no new one.
void Session::State::make_plan(const PlanShape& shape) {
  if (plan) {
    const PlanShape& old = plan->program().shape;
    // Rows beyond those in use cost time whenever the condition changes, so a far larger plan is not kept.
    const bool fits = shape.steps <= old.steps && old.steps <= std::max(64u, 4 * shape.steps);
    PlanShape same = shape;
    same.steps = old.steps;
    // One that takes sketches paints other icons too, to the byte: whoever moves strength to 1 and back needs no other.
    same.sketches |= old.sketches;
    same.masks |= old.masks;
    if (fits && same == old) return;
  }
  const Turns::Turn turn(engine->turns(), cancel);
  // The old plan's memory must be free before the new one asks for its own.
  plan.reset();
  plan = engine->executor().plan(record(config(), shape), cancel);
}

/// The batch's tables on the device.
void Session::State::prepare() {
  prepared = false;
  const Turns::Turn turn(engine->turns(), cancel);
  plan->set_request(batch.request());
  running.reset();
  following.reset();
  plan->prepare(cancel);
  prepared = true;
}

/// Before an icon starts. What the device has gone on with is begun again where kernels were edited.
void Session::State::refresh() {
  if (!engine->executor().refreshes()) return;
  or_forget([this] {
    const Turns::Turn turn(engine->turns(), cancel);
    if (plan->refresh()) forget_asked();
    const Notice notice = engine->executor().notice();
    if (notice.number != noticed && !notice.text.empty()) warning = notice.text;
    noticed = notice.number;
  });
}

/// Of a batch before its first step.
void Session::State::set_icons(std::span<const IconPoint> icons) {
  refresh();
  const auto same_blend = [](const IconPoint& a, const IconPoint& b) { return a.blend == b.blend; };
  const bool moved = batch.blends() && !std::ranges::equal(icons, batch.icons(), same_blend);
  std::ranges::copy(icons, batch.icons().begin());
  step = 0;
  if (moved) batch.blend();
  if (moved || !prepared) prepare();
}

void Session::State::forget_asked() {
  outdated |= running || following;
  running.reset();
  following.reset();
}

/// A failure closes what the plan has been asked for.
template <typename Work>
void Session::State::or_forget(Work&& work) {
  try {
    work();
  } catch (...) {
    outdated = true;
    forget_asked();
    throw;
  }
}

/// With a turn.
Asked Session::State::ask(std::span<const IconPoint> icons, std::uint32_t first, std::uint32_t last) {
  if (std::exchange(outdated, false)) plan->drop();
  return {.ticket = plan->submit(icons, first, last), .last = last, .done = first};
}

/// With a turn: the run of these steps, and what the caller has said to want after it.
void Session::State::ask_for_batch(std::uint32_t first, std::uint32_t last) {
  if (!running) running = ask(batch.request().icons, first, last);
  if (following || batch.pipeline() || !looks_beyond()) return;
  if (pace == Pace::step_by_step) {
    if (running->last < steps()) following = ask(batch.request().icons, running->last, running->last + 1);
  } else if (announced_needs_icons_only() && running->last == steps()) {
    following = ask(announced, 0, steps());
  }
}

/// The announced batch, and this one before it unless that is done.
void Session::State::ask_for_announced() {
  if (!looks_beyond() || !announced_needs_icons_only()) return;
  or_forget([this] {
    const Turns::Turn turn(engine->turns(), cancel);
    if (step == 0) {
      ask_for_batch(0, steps());
    } else {
      following = ask(announced, 0, steps());
    }
  });
}

/// Steps [first, last), in as many turns as fairness to other sessions asks for.
void Session::State::run(std::uint32_t first, std::uint32_t last) {
  or_forget([&] {
    const bool each = pace == Pace::step_by_step && !batch.pipeline();
    while (first < last) {
      const Turns::Turn turn(engine->turns(), cancel);
      ask_for_batch(first, each ? first + 1 : last);
      const std::uint32_t until = shares_processor() ? running->done + 1 : running->last;
      plan->wait(running->ticket, until, cancel);
      running->done = first = until;
      if (until < running->last) continue;
      shown = running->ticket;
      running.reset();
      if (each) running.swap(following);
    }
  });
}

Session::Session(std::shared_ptr<Engine> engine) : state_(std::make_unique<State>(std::move(engine))) {}

Session::~Session() {
  State& s = *state_;
  const Turns::Turn turn(s.engine->turns(), never_cancelled);
  s.plan.reset();
  --s.engine->sessions();
}

std::unique_ptr<Session> Session::open(std::shared_ptr<Engine> engine) {
  std::unique_ptr<Session> session(new Session(std::move(engine)));
  ++session->state_->engine->sessions();
  return session;
}

std::unique_ptr<Session> Session::open(const SessionOptions& options) { return open(Engine::open(options)); }

const std::shared_ptr<Engine>& Session::engine() const noexcept { return state_->engine; }
const Model& Session::model() const noexcept { return state_->engine->model(); }
const DeviceInfo& Session::device() const noexcept { return state_->engine->device(); }
const std::string& Session::device_note() const noexcept { return state_->engine->device_note(); }
std::uint32_t Session::step() const noexcept { return state_->step; }
std::uint32_t Session::steps() const noexcept { return state_->steps(); }
const std::vector<SolverStep>& Session::schedule() const noexcept { return state_->batch.schedule(); }
const Label& Session::label() const noexcept { return state_->batch.label(); }

std::optional<std::chrono::nanoseconds> Session::device_time() const {
  return state_->plan ? state_->plan->device_time() : std::nullopt;
}

std::string Session::take_warning() { return std::exchange(state_->warning, {}); }

void Session::cancel() noexcept {
  state_->cancel = true;
  state_->engine->turns().wake();
}

void Session::resume() noexcept { state_->cancel = false; }

const std::atomic<bool>& Session::cancelled() const noexcept { return state_->cancel; }

void Session::begin(const IconSettings& settings, std::span<const IconPoint> icons, Pace pace) {
  State& s = *state_;
  if (s.cancel) throw Cancelled();
  expect(!icons.empty() && icons.size() <= 1024, ErrorKind::settings, "batch: expected 1 to 1024 icons, found {}",
         icons.size());
  s.source = nullptr;
  s.announced.clear();
  s.forget_asked();
  describe_batch(s.config(), icons, s.kind);
  s.configure(settings);
  s.pace = pace;
  s.taken.assign(icons.begin(), icons.end());
  s.kept.keep(s.taken);
  s.set_icons(s.taken);
}

void Session::begin(const IconSettings& settings, std::uint64_t first_index, std::uint32_t count, Pace pace) {
  expect(count >= 1 && count <= 1024, ErrorKind::settings, "batch: expected 1 to 1024 icons, found {}", count);
  std::vector<IconPoint>& icons = state_->counted;
  icons.resize(count);
  for (std::uint32_t i = 0; i < count; ++i) icons[i] = {.from = {settings.seed, first_index + i}};
  begin(settings, icons, pace);
}

void Session::announce(std::span<const IconPoint> icons) {
  State& s = *state_;
  if (s.cancel) throw Cancelled();
  s.expect_batch("announce");
  expect(s.announced.empty(), ErrorKind::settings, "announce: expected no batch announced yet, found one of {} icons",
         s.announced.size());
  expect(icons.size() == s.count(), ErrorKind::settings, "announce: expected {} icons, found {}", s.count(),
         icons.size());
  describe_batch(s.config(), icons, s.kind);
  s.announced_is_alike = s.kind == s.batch.kind();
  s.announced.assign(icons.begin(), icons.end());
  s.kept_for_announced.keep(s.announced);
  // Between two steps of a batch nothing is asked for: the next steps come first.
  if (s.pace == Pace::step_by_step || (s.step != 0 && s.step != s.steps())) return;
  s.ask_for_announced();
}

void Session::begin_announced() {
  State& s = *state_;
  if (s.cancel) throw Cancelled();
  expect(!s.announced.empty(), ErrorKind::settings, "begin: expected a batch announced, found none");
  // This batch was not finished: what goes on with it comes first in the plan.
  if (s.running || !s.announced_is_alike) s.forget_asked();
  s.running = std::exchange(s.following, std::nullopt);
  if (!s.announced_is_alike) s.configure(IconSettings(s.batch.settings()));
  std::swap(s.kept, s.kept_for_announced);
  s.set_icons(s.announced);
  s.announced.clear();
}

void Session::advance(std::uint32_t step) {
  State& s = *state_;
  if (s.cancel) throw Cancelled();
  s.expect_batch("advance");
  expect(step >= 1 && step <= steps(), ErrorKind::settings, "step: expected 1 to {}, found {}", steps(), step);
  if (step <= s.step) return;
  std::uint32_t first = std::exchange(s.step, 0);
  // The device may be past the step where fewer are asked for than was said: then it starts again, as after a failure.
  if (s.running && s.running->last > step) {
    s.forget_asked();
    first = 0;
  }
  s.run(first, step);
  s.step = step;
}

void Session::begin_pipeline(const IconSettings& settings, IconSource source, std::uint32_t places,
                             const PipelineSketches& sketches) {
  State& s = *state_;
  if (s.cancel) throw Cancelled();
  expect(places >= 1 && places <= 1024, ErrorKind::settings, "pipeline: expected 1 to 1024 places, found {}", places);
  expect(!settings.toward_prompt, ErrorKind::settings, "pipeline: expected one prompt, found a way to another");
  s.source = nullptr;
  s.announced.clear();
  s.forget_asked();
  const std::uint32_t steps = settings.steps.value_or(s.config().default_steps);
  places = std::min(places, steps_to_run(s.config().schedule, steps, sketches.strength));
  s.kind = {.strengths = std::vector<double>(places, sketches.strength),
            .pipeline = true,
            .sketches = sketches.strength < 1 || sketches.masks,
            .masks = sketches.masks};
  s.configure(settings);
  if (!s.prepared) s.prepare();
  s.step = 0;
  s.tick = s.begun = 0;
  s.source = std::move(source);
}

std::uint32_t Session::next_icon() {
  State& s = *state_;
  expect(s.source != nullptr, ErrorKind::settings, "next icon: expected a pipeline, found none");
  // Taken away while it runs, so that a failure leaves no pipeline behind whose pictures nobody knows.
  IconSource source = std::exchange(s.source, nullptr);
  const Rhythm& rhythm = s.batch.rhythm();
  for (;;) {
    if (s.cancel) throw Cancelled();
    if (const auto place = rhythm.starting(s.tick)) {
      s.refresh();
      IconPoint icon = source(s.begun++);
      expect_of_kind(s.config(), icon, s.batch.kind());
      s.kept.keep(icon, *place, s.count());
      s.batch.icons()[*place] = icon;
    }
    // At once: all ticks until an icon is finished, the next one starts, or the tables are at their end.
    const auto first = static_cast<std::uint32_t>(s.tick % rhythm.length());
    std::uint32_t last = first;
    std::optional<std::uint32_t> finished;
    do {
      finished = rhythm.finishing(s.tick++);
      ++last;
    } while (!finished && !rhythm.starting(s.tick) && last < rhythm.length());
    s.run(first, last);
    if (!finished) continue;
    s.source = std::move(source);
    return *finished;
  }
}

void Session::read(std::uint32_t icon, std::span<std::uint8_t> out) {
  State& s = *state_;
  const std::size_t bytes = 4 * s.pixels();
  expect(s.configured && icon < s.count(), ErrorKind::settings, "icon: expected a number below {}, found {}",
         s.configured ? s.count() : 0, icon);
  expect(out.size() == bytes, ErrorKind::settings, "icon buffer: expected {} bytes, found {}", bytes, out.size());
  s.plan->read(s.shown, icon, out);
  if (is_finite(out)) return;
  fail(ErrorKind::wrong_format,
       "weights '{}': the picture has values that are no finite numbers (seed {}, index {}, step {})",
       model().path().string(), s.batch.icons()[icon].from.seed, s.batch.icons()[icon].from.index, s.step);
}

}  // namespace dit
