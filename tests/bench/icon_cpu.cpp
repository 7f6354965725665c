// SPDX-License-Identifier: MIT
// Paints icons on request, for compare_cpu.py: each line on standard input is one batch, each line on standard output
// what it took: wall and processor nanoseconds. The engine is ours, or OpenBLAS for the matrix products alone, without
// anything between them. OpenBLAS is opened at run time, so that nothing but this comparison ever needs it.
#include <dlfcn.h>
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <ctime>
#include <fstream>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "engine/cpu/executor.h"
#include "engine/cpu/kernels/targets.h"
#include "engine/error.h"
#include "engine/model/model.h"
#include "engine/network/dit.h"
#include "tests/bench/trial_network.h"

namespace dit::bench {
namespace {

struct Options {
  std::string engine = "ours", precision = "f32", model, dump, dump_icon;
  unsigned threads = 1, batch = 1, steps = 4;
  bool expand_weights = false;
};

PlanShape plan_shape(const Options& o) { return {.batch = o.batch, .conditions = 1, .steps = o.steps}; }

/// One batch of icons a call. Conditioning is tabulated beforehand, as it is for every other runtime here.
class OurIcons {
 public:
  explicit OurIcons(const Options& o, const std::shared_ptr<const Model>& model)
      : executor_(cpu::open(
            model->weights(),
            {.threads = o.threads, .precision = precision_from_name(o.precision), .expand_weights = o.expand_weights})),
        plan_(executor_->plan(record(model->config(), plan_shape(o)))),
        request_(request_for(plan_->program())) {
    plan_->set_request(request_);
    plan_->prepare(never_cancelled);
    const Shape& image = plan_->program().tensor(plan_->program().rgba).shape;
    rgba_.resize(element_count(image) / image[0]);
  }

  void operator()() {
    for (IconPoint& icon : request_.icons) ++icon.from.index;
    plan_->set_request(request_);
    const Ticket ticket = plan_->run(0, plan_->program().shape.steps, never_cancelled);
    for (std::uint32_t icon = 0; icon < request_.icons.size(); ++icon) plan_->read(ticket, icon, rgba_);
  }

  /// The input, the tables, keys and values of the prompt and the prediction of a step, for a comparison of the graphs.
  void dump(const std::string& folder) {
    const Program& program = plan_->program();
    plan_->run(0, 1, never_cancelled);
    write(folder + "/x.f32", plan_->read(program.x));
    std::vector<float> prompts;
    for (const Op& op : program.prepare) {
      const auto* linear = std::get_if<op::Linear>(&op.what);
      if (!linear) continue;  // a norm in place
      const std::vector<float> rows = plan_->read(linear->y);
      if (linear->x == program.context) prompts.insert(prompts.end(), rows.begin(), rows.end());
    }
    write(folder + "/modulation.f32", tables(0));
    write(folder + "/prompts.f32", prompts);
    plan_->capture(false, 1, [&](const Op& op, const Shape&, std::span<const float> values) {
      if (op.label == "final") write(folder + "/prediction.f32", values);
    });
  }

  /// One icon by the model's own solver, and all that another runtime needs to paint the same: [S,M] modulation.f32,
  /// [S,3] solver.f32 (next = p x + q e + c z), noise.f32 (the start, then each step's z), and what
  /// comes out, icon.f32 and icon.rgba.
  void dump_icon(const ModelConfig& config, const std::string& folder) {
    const Program& program = plan_->program();
    const std::uint32_t steps = program.shape.steps;
    const auto rows = solver_table(config, sampler_from_name(config.default_sampler), steps, 1);
    fill_normals(/*seed=*/7, 0, 0, 0, request_.condition);
    std::vector<float> solver, modulation, noise;
    for (std::uint32_t step = 0; step < steps; ++step) {
      const SolverRow& row = request_.solver[step] = rows[step].row;
      expect(row.b[1] == 0 && row.b[2] == 0 && row.b[3] == 0, ErrorKind::unsupported,
             "--dump-icon: expected a solver of first order, found '{}'", config.default_sampler);
      request_.modulation_row[step] = step;
      solver.insert(solver.end(), {row.a + row.b[0] * row.from_x, row.b[0] * row.from_e, row.c});
    }
    plan_->set_request(request_);
    plan_->prepare(never_cancelled);
    for (std::uint32_t step = 0; step < steps; ++step) {
      const std::vector<float> table = tables(step);
      modulation.insert(modulation.end(), table.begin(), table.end());
    }
    std::vector<float> draw(element_count(program.tensor(program.x).shape));
    for (std::uint32_t k = 0; k <= steps; ++k) {
      fill_normals(request_.icons[0], k, 0, draw);
      noise.insert(noise.end(), draw.begin(), draw.end());
    }
    plan_->read(plan_->run(0, steps, never_cancelled), 0, rgba_);
    write(folder + "/modulation.f32", modulation);
    write(folder + "/solver.f32", solver);
    write(folder + "/noise.f32", noise);
    write(folder + "/icon.f32", plan_->read(program.x));
    std::ofstream(folder + "/icon.rgba", std::ios::binary)
        .write(reinterpret_cast<const char*>(rgba_.data()), static_cast<std::streamsize>(rgba_.size()));
  }

 private:
  /// The modulation of every block and of the end at a step, as the engine tabulates it.
  std::vector<float> tables(std::uint32_t step) {
    const Program& program = plan_->program();
    std::vector<float> values;
    for (const Op& op : program.prepare) {
      const auto* linear = std::get_if<op::Linear>(&op.what);
      if (!linear || linear->x == program.context) continue;  // a norm in place, or of the prompt
      const std::vector<float> rows = plan_->read(linear->y);
      const std::uint32_t width = program.tensor(linear->y).shape[1];
      values.insert(values.end(), rows.begin() + std::ptrdiff_t(step) * width,
                    rows.begin() + std::ptrdiff_t(step + 1) * width);
    }
    return values;
  }

  static void write(const std::string& path, std::span<const float> values) {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size_bytes()));
  }

  std::unique_ptr<Executor> executor_;
  std::unique_ptr<Plan> plan_;
  Request request_;
  std::vector<std::uint8_t> rgba_;
};

/// The matrix products of the same icons by cblas_sgemm, each left side and result in memory of its own.
class OpenBlasProducts {
 public:
  OpenBlasProducts(const Options& o, const Model& model) : steps_(o.steps) {
    void* library = dlopen("libopenblas.so.0", RTLD_NOW);
    expect(library, ErrorKind::unsupported, "OpenBLAS: expected libopenblas.so.0, found none");
    sgemm_ = reinterpret_cast<Sgemm>(dlsym(library, "cblas_sgemm"));
    const auto set_threads = reinterpret_cast<void (*)(int)>(dlsym(library, "openblas_set_num_threads"));
    expect(sgemm_ && set_threads, ErrorKind::unsupported, "OpenBLAS: expected cblas_sgemm, found another library");
    set_threads(static_cast<int>(o.threads));
    add_all(o, model.config());
  }

  void operator()() const {
    for (std::uint32_t step = 0; step < steps_; ++step)
      for (const Product& p : products_)
        for (int i = 0; i < p.count; ++i)
          sgemm_(101, 111, p.turned ? 112 : 111, p.m, p.n, p.k, 1.f, p.a->data() + i * p.a_next, p.k, p.b->data(),
                 p.turned ? p.k : p.n, 0.f, p.c->data() + i * p.c_next, p.n);
  }

 private:
  using Sgemm = void (*)(int, int, int, int, int, int, float, const float*, int, const float*, int, float, float*, int);
  using Values = std::shared_ptr<std::vector<float>>;
  struct Product {
    int m, n, k, count;
    bool turned;
    Values a, b, c;
    std::size_t a_next, c_next;
  };

  void add(int m, int n, int k, int count, bool turned) {
    const auto values = [](std::size_t size) { return std::make_shared<std::vector<float>>(size, 0.01f); };
    const std::size_t a_next = std::size_t(m) * k, c_next = std::size_t(m) * n;
    products_.push_back({m, n, k, count, turned, values(a_next * count), values(std::size_t(n) * k),
                         values(c_next * count), a_next, c_next});
  }
  void add_all(const Options& o, const ModelConfig& c) {
    const int rows = static_cast<int>(o.batch * c.tokens()), tokens = static_cast<int>(c.tokens());
    const int dim = static_cast<int>(c.dim), wide = static_cast<int>(c.attention_dim());
    const int mlp = static_cast<int>(c.mlp_dim), keys = tokens + static_cast<int>(c.context_rows());
    const int area = static_cast<int>(c.window_size() * c.window_size()), channels = static_cast<int>(c.channels);
    const int features = c.detail ? static_cast<int>(c.detail->channels) : channels;
    const int head = static_cast<int>(c.head_size()), heads = static_cast<int>(c.heads * o.batch);
    add(rows, dim, channels * area, 1, true);
    for (std::uint32_t i = 0; i < c.depth; ++i) {
      add(rows, 3 * wide, dim, 1, true);
      add(tokens, keys, head, heads, true);
      add(tokens, head, keys, heads, false);
      add(rows, dim, wide, 1, true);
      add(rows, mlp, dim, 1, true);
      add(rows, dim, mlp, 1, true);
    }
    add(rows, features * area, dim, 1, true);
    if (!c.detail) return;
    // Convolutions as products of pixels' neighbours, without the work of laying those side by side.
    const int pixels = static_cast<int>(o.batch * c.height * c.width), hidden = static_cast<int>(c.detail->hidden);
    for (std::uint32_t i = 0; i < c.detail->layers; ++i)
      add(pixels, i + 1 == c.detail->layers ? channels : hidden, 9 * (i == 0 ? features + channels : hidden), 1, true);
  }

  std::uint32_t steps_;
  Sgemm sgemm_ = nullptr;
  std::vector<Product> products_;
};

/// Multiply-add rate of `threads` cores at once.
double peak_gflops(unsigned threads) {
  std::vector<double> rates(threads);
  std::vector<std::thread> others;
  for (double& rate : rates) others.emplace_back([&rate] { rate = cpu::measure_peak_gflops(); });
  for (std::thread& other : others) other.join();
  double sum = 0;
  for (const double rate : rates) sum += rate;
  return sum;
}

std::uint64_t processor_ns() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
}

void serve(const std::function<void()>& paint) {
  paint();
  fmt::print("ready\n");
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    const std::uint64_t processor = processor_ns();
    const auto start = std::chrono::steady_clock::now();
    paint();
    const auto wall = std::chrono::steady_clock::now() - start;
    fmt::print("{} {}\n", std::chrono::duration_cast<std::chrono::nanoseconds>(wall).count(),
               processor_ns() - processor);
    std::fflush(stdout);
  }
}

void report_peak(unsigned threads) {
  nlohmann::json served = nlohmann::json::array();
  for (const Precision precision : {Precision::f32, Precision::bf16, Precision::int16, Precision::int8})
    if (cpu::serves(precision)) served.push_back(name_of(precision));
  fmt::print("{{\"precisions\": {}, \"processor\": {}, \"target\": \"{}\", \"gflops\": [{:.2f}, {:.2f}]}}\n",
             served.dump(), nlohmann::json(cpu::describe(threads).name).dump(), cpu::target(), peak_gflops(1),
             peak_gflops(threads));
}

void report_cost(const Options& o, const Model& model) {
  const Program program = record(model.config(), plan_shape(o));
  fmt::print("{}\n", flop_count(program, program.step));
}

int run(int count, char** arguments) {
  CLI::App app("Paints a batch of icons for each line on standard input; prints wall and processor nanoseconds.");
  Options o;
  bool cost = false;
  app.add_option("--engine", o.engine)->check(CLI::IsMember({"ours", "openblas", "peak"}));
  app.add_option("--precision", o.precision, "of our executor");
  app.add_flag("--expand-weights", o.expand_weights, "quantised weights become f32 at load");
  app.add_option("--model", o.model, "weight file");
  app.add_option("--dump", o.dump, "write input, tables and prediction of a step into this folder, then end");
  app.add_option("--dump-icon", o.dump_icon, "write an icon and all that it is made of into this folder, then end");
  app.add_flag("--cost", cost, "print the floating-point operations of a step, then end");
  app.add_option("--threads", o.threads)->check(CLI::Range(1u, 256u));
  app.add_option("--batch", o.batch)->check(CLI::Range(1u, 1024u));
  app.add_option("--steps", o.steps)->check(CLI::Range(2u, 1000u));
  CLI11_PARSE(app, count, arguments);
  if (o.engine == "peak") {
    report_peak(o.threads);
    return 0;
  }
  const auto model = Model::open(o.model);
  if (cost) {
    report_cost(o, *model);
  } else if (!o.dump.empty()) {
    OurIcons(o, model).dump(o.dump);
  } else if (!o.dump_icon.empty()) {
    OurIcons(o, model).dump_icon(model->config(), o.dump_icon);
  } else if (o.engine == "ours") {
    serve([icons = std::make_shared<OurIcons>(o, model)] { (*icons)(); });
  } else {
    serve(OpenBlasProducts(o, *model));
  }
  return 0;
}

}  // namespace
}  // namespace dit::bench

int main(int count, char** arguments) {
  try {
    return dit::bench::run(count, arguments);
  } catch (const dit::Error& error) {
    fmt::print(stderr, "icon_cpu: {}\n", error.what());
    return 2;
  }
}
