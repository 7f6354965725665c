// SPDX-License-Identifier: MIT
#include "engine/session.h"

#include <utility>

#include "engine/conditioning.h"
#include "engine/dit.h"

namespace dit {
namespace {

/// Settings with every default of the model filled in.
struct Resolved {
  Label label;
  std::uint32_t steps = 0;
  Sampler sampler = Sampler::euler;
  double guidance = 1;
};

Resolved resolve(const ModelConfig& config, const IconSettings& settings) {
  return {.label = parse_label(config, settings.prompt, settings.style),
          .steps = settings.steps.value_or(config.default_steps),
          .sampler = settings.sampler ? *settings.sampler : sampler_from_name(config.default_sampler),
          .guidance = settings.guidance.value_or(config.default_guidance)};
}

bool differ_only_in_seed(const IconSettings& a, const IconSettings& b) {
  return a.prompt == b.prompt && a.style == b.style && a.steps == b.steps && a.sampler == b.sampler &&
         a.guidance == b.guidance;
}

}  // namespace

struct Session::State {
  std::shared_ptr<const Model> model;
  OpenedDevice device;
  std::unique_ptr<Conditioning> conditioning;
  std::unique_ptr<Plan> plan;
  Request request;
  std::optional<IconSettings> settings;  // what plan, request and the tables on the device were made for
  Label label;
  std::vector<SolverStep> schedule;
  std::uint32_t count = 0;
  std::uint32_t step = 0;
  std::atomic<bool> cancel{false};

  void configure(const IconSettings& wanted, std::uint32_t batch);
  void make_plan(const PlanShape& shape);
  void fill_request(const Resolved& resolved);
};

/// All that a seed or an index does not change. Strong enough that a failure leaves nothing half made in use.
void Session::State::configure(const IconSettings& wanted, std::uint32_t batch) {
  const Resolved resolved = resolve(model->config(), wanted);
  // Checked before the plan is made, so that a bad number of steps never sizes memory.
  auto table = solver_table(model->config(), resolved.sampler, resolved.steps, resolved.guidance);
  settings.reset();
  const bool guided = resolved.guidance != 1;
  make_plan({.batch = batch, .conditions = guided ? 2u : 1u, .steps = resolved.steps, .guided = guided});
  schedule = std::move(table);
  fill_request(resolved);
  plan->set_request(request);
  plan->prepare(cancel);
  label = resolved.label;
  count = batch;
  settings = wanted;
}

void Session::State::make_plan(const PlanShape& shape) {
  if (plan && plan->program().shape == shape) return;
  // The old plan's memory must be free before the new one asks for its own.
  plan.reset();
  plan = device.executor->plan(record(model->config(), shape));
}

/// Everything of the request that does not depend on the icons.
void Session::State::fill_request(const Resolved& resolved) {
  const PlanShape& shape = plan->program().shape;
  std::vector<Label> labels = {resolved.label};
  if (shape.guided) labels.push_back(conditioning->null_label());
  std::vector<double> t;
  request = {};
  for (const SolverStep& entry : schedule) {
    t.push_back(entry.t);
    request.solver.push_back(entry.row);
  }
  request.condition = conditioning->table(t, labels);
  request.icons.resize(shape.batch);
  for (std::uint32_t s = 0; s < shape.steps; ++s) {
    for (std::uint32_t r = 0; r < shape.rows(); ++r) {
      request.modulation_row.push_back(s * shape.conditions + r / shape.batch);
    }
    request.solver_row.insert(request.solver_row.end(), shape.batch, s);
  }
}

Session::Session() : state_(std::make_unique<State>()) {}
Session::~Session() {
  state_->plan.reset();  // borrows the executor
}

std::unique_ptr<Session> Session::open(const SessionOptions& options) {
  std::unique_ptr<Session> session(new Session);
  State& s = *session->state_;
  s.model = Model::open(options.model);
  s.device = open_device(options.device, s.model, options.threads);
  s.conditioning = std::make_unique<Conditioning>(s.model);
  return session;
}

const Model& Session::model() const noexcept { return *state_->model; }
const DeviceInfo& Session::device() const noexcept { return state_->device.executor->info(); }
const std::string& Session::device_note() const noexcept { return state_->device.note; }
std::uint32_t Session::step() const noexcept { return state_->step; }
std::uint32_t Session::steps() const noexcept { return static_cast<std::uint32_t>(state_->schedule.size()); }
const std::vector<SolverStep>& Session::schedule() const noexcept { return state_->schedule; }
void Session::cancel() noexcept { state_->cancel = true; }
void Session::resume() noexcept { state_->cancel = false; }

const Label& Session::label() const noexcept { return state_->label; }

void Session::begin(const IconSettings& settings, std::uint64_t first_index, std::uint32_t count) {
  State& s = *state_;
  if (s.cancel) throw Cancelled();
  expect(count >= 1 && count <= 1024, ErrorKind::settings, "batch: expected 1 to 1024 icons, found {}", count);
  if (!s.settings || s.count != count || !differ_only_in_seed(*s.settings, settings)) s.configure(settings, count);
  for (std::uint32_t i = 0; i < count; ++i) s.request.icons[i] = {settings.seed, first_index + i};
  s.plan->set_request(s.request);
  s.step = 0;
}

void Session::advance(std::uint32_t step) {
  State& s = *state_;
  if (s.cancel) throw Cancelled();
  expect(s.settings && step >= 1 && step <= steps(), ErrorKind::settings, "step: expected 1 to {}, found {}", steps(),
         step);
  if (step <= s.step) return;
  s.plan->run(s.step, step, s.cancel);
  s.step = step;
}

void Session::read(std::uint32_t icon, std::span<std::uint8_t> out) {
  State& s = *state_;
  const ModelConfig& config = s.model->config();
  const std::size_t bytes = std::size_t{config.width} * config.height * 4;
  expect(icon < s.count, ErrorKind::settings, "icon: expected 0 to {}, found {}", s.count ? s.count - 1 : 0, icon);
  expect(out.size() == bytes, ErrorKind::settings, "icon buffer: expected {} bytes, found {}", bytes, out.size());
  s.plan->read_rgba(icon, out);
}

}  // namespace dit
