// SPDX-License-Identifier: MIT
// What the Vulkan executor promises beyond right numbers: errors, cancelling, plans side by side, limits.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <thread>

#include "engine/network/dit.h"
#include "engine/vulkan/compile/emission/plain.h"
#include "engine/vulkan/device/validation.h"
#include "tests/engine/support/devices_under_test.h"
#include "tests/engine/support/golden.h"

namespace {
bool hide_loader = false;
}

/// Stands in front of the C library's dlopen, so that a machine without a Vulkan loader can be played.
extern "C" __attribute__((visibility("default"))) void* dlopen(const char* file, int mode) {
  if (hide_loader && file && std::strstr(file, "libvulkan")) return nullptr;
  using Dlopen = void* (*)(const char*, int);
  static const auto real = reinterpret_cast<Dlopen>(dlsym(RTLD_NEXT, "dlopen"));
  return real(file, mode);
}

namespace dit::test {
namespace {

const std::atomic<bool> not_cancelled{false};

/// Sets an environment variable for as long as it lives.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    ::setenv(name, value, 1);
  }
  ~Variable() {
    if (before_.empty()) {
      ::unsetenv(name_);
    } else {
      ::setenv(name_, before_.c_str(), 1);
    }
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::string before_;
};

/// Runs `work`, which must throw Error of `kind`; its text.
template <typename Work>
std::string error_of(ErrorKind kind, Work&& work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return {};
}

/// A weight of `count` elements that holds no bytes: enough for what is refused before it is read.
std::shared_ptr<Weights> hollow_weights(std::uint32_t tensors, std::uint32_t rows, std::uint32_t columns) {
  auto weights = std::make_shared<Weights>();
  for (std::uint32_t i = 0; i < tensors; ++i) {
    const std::string name = "w" + std::to_string(i);
    weights->tensors[name] = {name, DType::f32, {rows, columns}, {}};
  }
  return weights;
}

class Vulkan : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string problem = vulkan_problem(); !problem.empty()) GTEST_SKIP() << "Vulkan: " << problem;
  }

  std::unique_ptr<Executor> open() const { return vulkan::open(model_->weights(), vulkan_index()); }

  std::unique_ptr<Plan> plan(Executor& executor, const PlanShape& shape) const {
    return executor.plan(record(model_->config(), shape));
  }

  /// A plain request: icon b is (seed, index b), solver row = step.
  Request request(const PlanShape& shape, std::uint64_t seed = 5) const {
    Request r;
    for (std::uint32_t b = 0; b < shape.batch; ++b) r.icons.push_back({seed, b});
    const std::size_t values = std::size_t{shape.steps} * shape.conditions * model_->config().cond_dim;
    for (std::size_t i = 0; i < values; ++i) r.condition.push_back(static_cast<float>(i * 7919 % 101) / 50 - 1);
    for (std::uint32_t s = 0; s < shape.steps; ++s) {
      for (std::uint32_t row = 0; row < shape.rows(); ++row) {
        r.modulation_row.push_back(s * shape.conditions + (row < shape.batch ? 0 : shape.conditions - 1));
      }
      r.solver_row.insert(r.solver_row.end(), shape.batch, s);
      SolverRow row;
      row.a = 0.6f;
      row.b[0] = 0.4f;
      row.b[1] = s > 0 ? -0.1f : 0;
      row.c = 0.2f;
      row.guidance = shape.guided ? 2.f : 1.f;
      r.solver.push_back(row);
    }
    return r;
  }

  std::vector<float> paint(Plan& plan, std::uint64_t seed = 5) const {
    plan.set_request(request(plan.program().shape, seed));
    plan.prepare(never_cancelled);
    plan.run(0, plan.program().shape.steps, not_cancelled);
    return plan.read(plan.program().x);
  }

  std::shared_ptr<const Model> model_ = Model::open(golden_path("tiny.safetensors"));
};

TEST_F(Vulkan, DevicesAreDescribed) {
  const auto devices = vulkan::describe();
  for (std::size_t i = 0; i < devices.size(); ++i) {
    EXPECT_EQ(devices[i].spec, "vulkan:" + std::to_string(i));
    EXPECT_FALSE(devices[i].name.empty());
    EXPECT_FALSE(devices[i].software && devices[i].hardware_gpu);
    if (!devices[i].problem.empty()) continue;
    EXPECT_FALSE(devices[i].driver.empty());
    EXPECT_TRUE(devices[i].api.starts_with("1.")) << devices[i].api;
    EXPECT_GT(devices[i].memory_bytes, 0u);
    EXPECT_FALSE(devices[i].limits.empty());
  }
  EXPECT_EQ(open()->info().spec, devices.at(vulkan_index()).spec);
}

TEST_F(Vulkan, NoLoaderIsOneClearError) {
  hide_loader = true;
  const std::string text = error_of(ErrorKind::device, [] { vulkan::describe(); });
  error_of(ErrorKind::device, [this] { open(); });
  hide_loader = false;
  EXPECT_NE(text.find("loader"), std::string::npos) << text;
  EXPECT_FALSE(vulkan::describe().empty());
}

TEST_F(Vulkan, NoDriverIsOneClearError) {
  const Variable files("VK_DRIVER_FILES", "/nonexistent.json"), old_name("VK_ICD_FILENAMES", "/nonexistent.json");
  const std::string text = error_of(ErrorKind::device, [] { vulkan::describe(); });
  EXPECT_NE(text.find("driver"), std::string::npos) << text;
  error_of(ErrorKind::device, [this] { open(); });
}

TEST_F(Vulkan, NoSuchDeviceIsAnError) {
  const std::string text = error_of(ErrorKind::device, [this] { vulkan::open(model_->weights(), 99); });
  EXPECT_NE(text.find("99"), std::string::npos) << text;
}

TEST_F(Vulkan, ModelsTooLargeAreRefused) {
  // 16 TiB in all, more than any device has; each tensor alone is small enough for some.
  const auto many = hollow_weights(16384, 1024, 16384);
  const std::string text = error_of(ErrorKind::out_of_memory, [&] { vulkan::open(many, vulkan_index()); });
  EXPECT_NE(text.find("weights need"), std::string::npos) << text;
  // A range is a 32-bit number of bytes, so no device binds 16 GiB as one tensor.
  const auto one = hollow_weights(1, 65536, 65536);
  const std::string range = error_of(ErrorKind::unsupported, [&] { vulkan::open(one, vulkan_index()); });
  EXPECT_NE(range.find("model needs 16.0 GiB"), std::string::npos) << range;
}

TEST_F(Vulkan, ProgramsBeyondTheKernelsAreRefused) {
  const auto executor = open();
  for (const auto& [tokens, dim] : {std::pair{1025u, 8u}, std::pair{8u, 257u}}) {
    Recorder recorder({});
    const TensorId x = recorder.activation("x", {1, 3, 1, 1});
    recorder.set_x(x);
    recorder.set_condition(recorder.activation("condition", {1, 1}));
    recorder.set_rgba(recorder.rgba("rgba", {1, 1, 1, 4}));
    recorder.step("attn", op::Attention{.qkv = recorder.activation("qkv", {1, tokens, 3 * dim}),
                                        .q_norm = no_tensor,
                                        .k_norm = no_tensor,
                                        .norm_eps = 0,
                                        .heads = 1,
                                        .y = recorder.activation("y", {1, tokens, dim})});
    const std::string text = error_of(ErrorKind::unsupported, [&] { executor->plan(recorder.finish()); });
    EXPECT_NE(text.find("attn"), std::string::npos) << text;
  }
}

TEST_F(Vulkan, ProgramOfAnotherModelIsRefused) {
  const auto executor = open();
  Program program = record(model_->config(), {});
  for (TensorInfo& tensor : program.tensors) {
    if (tensor.name == "patch_embed.weight") tensor.name = "missing.weight";
  }
  const std::string text = error_of(ErrorKind::wrong_format, [&] { executor->plan(program); });
  EXPECT_NE(text.find("missing.weight"), std::string::npos) << text;
}

TEST_F(Vulkan, RequestsThatDoNotFitAreRefused) {
  const auto executor = open();
  const PlanShape shape = {.batch = 2, .conditions = 2, .steps = 2, .guided = true};
  const auto p = plan(*executor, shape);
  const auto refused = [&](auto&& change, const char* what) {
    Request r = request(shape);
    change(r);
    const std::string text = error_of(ErrorKind::settings, [&] { p->set_request(r); });
    EXPECT_NE(text.find(what), std::string::npos) << text;
  };
  refused([](Request& r) { r.icons.pop_back(); }, "icons");
  refused([](Request& r) { r.condition.push_back(0); }, "condition");
  refused([](Request& r) { r.modulation_row.clear(); }, "modulation_row");
  refused([](Request& r) { r.solver.emplace_back(); }, "solver");
  refused([](Request& r) { r.solver_row.pop_back(); }, "solver_row");
  refused([](Request& r) { r.modulation_row[3] = 4; }, "modulation_row");
  refused([](Request& r) { r.solver_row[1] = 2; }, "solver_row");
  error_of(ErrorKind::settings, [&] { p->run(1, 3, not_cancelled); });
  std::vector<std::uint8_t> icon(7);
  p->set_request(request(shape));
  const Ticket ticket = p->run(0, 1, not_cancelled);
  error_of(ErrorKind::settings, [&] { p->read(ticket, 0, icon); });
  icon.resize(std::size_t{4} * model_->config().width * model_->config().height);
  error_of(ErrorKind::settings, [&] { p->read(ticket, 2, icon); });
  p->read(ticket, 1, icon);
}

TEST_F(Vulkan, TensorsReadBackAsWritten) {
  const auto executor = open();
  const auto p = plan(*executor, {.batch = 3, .steps = 2});
  const Program& program = p->program();
  // All at once first, so that tensors that overlap would show.
  const auto value = [](TensorId id, std::size_t i) { return static_cast<float>(id) + static_cast<float>(i) / 4096; };
  for (const bool writing : {true, false}) {
    for (TensorId id = 0; id < program.tensors.size(); ++id) {
      if (program.tensors[id].kind != TensorKind::activation) continue;
      std::vector<float> values(element_count(program.tensors[id].shape));
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = value(id, i);
      if (writing) {
        p->write(id, values);
      } else {
        ASSERT_EQ(p->read(id), values) << program.tensors[id].name;
      }
    }
  }
  for (TensorId id = 0; id < program.tensors.size(); ++id) {
    if (program.tensors[id].kind == TensorKind::activation) continue;
    error_of(ErrorKind::settings, [&] { p->write(id, std::vector<float>(1)); });
  }
  error_of(ErrorKind::settings, [&] { p->write(program.x, std::vector<float>(5)); });
}

TEST_F(Vulkan, FreshPlansHoldZeros) {
  const auto executor = open();
  const auto p = plan(*executor, {.batch = 2});
  for (TensorId id = 0; id < p->program().tensors.size(); ++id) {
    if (p->program().tensors[id].kind == TensorKind::weight) continue;
    const std::vector<float> values = p->read(id);
    ASSERT_EQ(values, std::vector<float>(values.size())) << p->program().tensors[id].name;
  }
}

TEST_F(Vulkan, PlansSideBySideDoNotTouchEachOther) {
  const auto executor = open();
  const auto small = plan(*executor, {.batch = 1, .conditions = 2, .steps = 3, .guided = true});
  const std::vector<float> alone = paint(*small);
  const auto large = plan(*executor, {.batch = 3, .conditions = 1, .steps = 5});
  const std::vector<float> large_alone = paint(*large, 9);
  EXPECT_NE(alone, std::vector<float>(alone.size()));

  // Step by step in turn.
  small->set_request(request(small->program().shape));
  large->set_request(request(large->program().shape, 9));
  small->prepare(never_cancelled);
  large->prepare(never_cancelled);
  for (std::uint32_t step = 0; step < 5; ++step) {
    if (step < 3) small->run(step, step + 1, not_cancelled);
    large->run(step, step + 1, not_cancelled);
  }
  EXPECT_EQ(small->read(small->program().x), alone);
  EXPECT_EQ(large->read(large->program().x), large_alone);
}

TEST_F(Vulkan, RunsRepeatBitForBit) {
  const auto executor = open();
  const PlanShape shape = {.batch = 2, .conditions = 2, .steps = 4, .guided = true};
  const auto p = plan(*executor, shape);
  const std::vector<float> first = paint(*p);
  for (int run = 0; run < 10; ++run) {
    ASSERT_NE(paint(*p, 6), first);
    ASSERT_EQ(paint(*p), first) << "run " << run;
  }
  EXPECT_EQ(paint(*plan(*executor, shape)), first);
  EXPECT_EQ(paint(*plan(*open(), shape)), first);
}

TEST_F(Vulkan, CaptureShowsWhatARunComputes) {
  const auto executor = open();
  const PlanShape shape = {.batch = 1, .conditions = 2, .steps = 2, .guided = true};
  const auto run = plan(*executor, shape), captured = plan(*executor, shape);
  const std::vector<float> expected = paint(*run);
  captured->set_request(request(shape));
  std::vector<std::string> labels;
  std::vector<float> x;
  const auto checkpoint = [&](const Op& op, const Shape& size, std::span<const float> values) {
    EXPECT_EQ(element_count(size), values.size());
    labels.push_back(op.label);
    if (output_of(op.what) == captured->program().x) x.assign(values.begin(), values.end());
  };
  captured->capture(true, 0, checkpoint);
  EXPECT_EQ(labels.size(), captured->program().prepare.size());
  captured->capture(false, 0, checkpoint);
  captured->capture(false, 1, checkpoint);
  EXPECT_EQ(labels.size(), captured->program().prepare.size() + 2 * captured->program().step.size());
  EXPECT_EQ(x, expected);
}

TEST_F(Vulkan, CancelledRunsLeaveThePlanUsable) {
  const auto executor = open();
  const PlanShape shape = {.batch = 1, .steps = 1000};
  const auto p = plan(*executor, shape);
  const PlanShape short_shape = {.batch = 1, .steps = 3};
  p->set_request(request(shape));
  p->prepare(never_cancelled);
  const std::vector<float> before = p->read(p->program().x);
  const std::atomic<bool> at_once{true};
  EXPECT_THROW(p->run(0, 1000, at_once), Cancelled);
  EXPECT_EQ(p->read(p->program().x), before) << "a step ran although the run was cancelled before it";

  std::atomic<bool> later{false};
  const auto start = std::chrono::steady_clock::now();
  std::thread canceller([&later] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    later = true;
  });
  // Again and again, because a fast device may be through before the thread wakes up.
  EXPECT_THROW(while (true) p->run(0, 1000, later), Cancelled);
  canceller.join();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));

  p->set_request(request(shape));
  p->run(0, 3, not_cancelled);
  const auto fresh = plan(*executor, short_shape);
  Request r = request(shape);
  r.condition.resize(3 * model_->config().cond_dim);
  r.modulation_row.resize(3);
  r.solver.resize(3);
  r.solver_row.resize(3);
  fresh->set_request(r);
  fresh->prepare(never_cancelled);
  fresh->run(0, 3, not_cancelled);
  EXPECT_EQ(p->read(p->program().x), fresh->read(fresh->program().x));
}

TEST_F(Vulkan, ValidationIsOnWhereItsLayerIs) {
  const char* level = std::getenv("DIT_VULKAN_VALIDATION");
  if (!level || std::strcmp(level, "0") == 0) GTEST_SKIP() << "DIT_VULKAN_VALIDATION is off";
  const std::size_t before = vulkan::validation_messages().size();
  const auto executor = open();
  const auto p = plan(*executor, {.batch = 2, .conditions = 2, .steps = 3, .guided = true});
  paint(*p);
  EXPECT_EQ(vulkan::validation_messages().size(), before);
}

TEST(VulkanLowering, AttentionFitsInSharedMemoryForEveryHeadSize) {
  for (std::uint32_t head_dim = 1; head_dim <= 256; ++head_dim) {
    Recorder recorder({});
    recorder.step("attn", op::Attention{.qkv = recorder.activation("qkv", {1, 9, 3 * head_dim}),
                                        .q_norm = no_tensor,
                                        .k_norm = no_tensor,
                                        .norm_eps = 0,
                                        .heads = 1,
                                        .y = recorder.activation("y", {1, 9, head_dim})});
    const Program program = recorder.finish();
    const auto calls = vulkan::plain_calls(program, program.step[0], {DType::f32, DType::f32});
    ASSERT_EQ(calls.size(), 1u);
    const std::uint32_t queries = calls[0].constants.at(1), keys = calls[0].constants.at(2);
    // The arrays of attention.comp: q_tile, kv_tile, scores, key_factor, row_max, row_shrink, row_total.
    const std::uint32_t pitch = 4 * ((head_dim + 3) / 4 | 1);
    const std::uint32_t floats = (queries + keys) * pitch + queries * keys + keys + 3 * queries;
    EXPECT_LE(floats * 4, 16384u) << "head of " << head_dim;
    EXPECT_LE(keys, 64u) << "one invocation a key";
    EXPECT_EQ(keys % 4, 0u) << "four keys an invocation";
  }
}

}  // namespace
}  // namespace dit::test
