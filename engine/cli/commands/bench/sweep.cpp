// SPDX-License-Identifier: MIT
#include "engine/cli/commands/bench/sweep.h"
#include "engine/cli/text/print.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "engine/error.h"

namespace dit::cli {
namespace {

using nlohmann::json;
using vulkan::SweptProduct;

constexpr std::size_t shown = 5;      // of the tiles of a product; the file has all
constexpr double worth_a_row = 1.05;  // times the best's: less is noise between runs

std::string text_of(const vulkan::Tile& t) {
  std::string text =
      fmt::format("{}x{} a subgroup, subgroups {}x{}", t.down, t.across, t.subgroups_down, t.subgroups_across);
  if (t.subgroups_deep > 1) text += fmt::format("x{} deep", t.subgroups_deep);
  return text + (t.chunk > 0 ? fmt::format(", chunks of {}{}", t.chunk, t.buffers > 1 ? " twice" : "")
                             : fmt::format(", {} deep a turn", t.depth_step));
}

json to_json(const SweptProduct& p) {
  const vulkan::Tile& t = p.tile;
  return {{"label", p.label},
          {"row_fragments", p.shape.row_fragments},
          {"column_fragments", p.shape.column_fragments},
          {"depth_fragments", p.shape.depth_fragments},
          {"lhs_prologue", p.shape.lhs_prologue},
          {"invocations", p.invocations},
          {"tile",
           {{"down", t.down},
            {"across", t.across},
            {"depth_step", t.depth_step},
            {"subgroups_down", t.subgroups_down},
            {"subgroups_across", t.subgroups_across},
            {"subgroups_deep", t.subgroups_deep},
            {"chunk", t.chunk},
            {"buffers", t.buffers},
            {"sum_fragments", t.sum_fragments}}},
          {"microseconds", p.microseconds},
          {"chosen", p.chosen}};
}

/// A tile as a row of DeviceTable::tiles, which the compiler then takes for this shape.
std::string table_row(const SweptProduct& p, Precision precision) {
  constexpr const char* names[] = {"automatic", "f32", "f16", "f16_matrix", "int8"};
  const vulkan::ProductShape& s = p.shape;
  const vulkan::Tile& t = p.tile;
  const std::string most_rows = s.most_rows == UINT32_MAX ? "UINT32_MAX" : std::to_string(s.most_rows);
  return fmt::format("{{Precision::{}, {}, {{{}, {}, {}, {}, {}}}, {{{}, {}, {}, {}, {}, {}, {}, {}}}}},",
                     names[static_cast<std::size_t>(precision)], p.processors, s.row_fragments, s.column_fragments,
                     s.depth_fragments, s.lhs_prologue, most_rows, t.down, t.across, t.depth_step, t.subgroups_down,
                     t.subgroups_across, t.subgroups_deep, t.chunk, t.buffers);
}

void print_product(const vulkan::Ceilings& ceilings, std::vector<SweptProduct> runs, Precision precision) {
  const bool matrix = precision == Precision::f16_matrix;
  std::ranges::sort(runs, {}, &SweptProduct::microseconds);
  const vulkan::ProductShape& shape = runs.front().shape;
  const double flop = 2.0 * 4096 * shape.row_fragments * shape.column_fragments * shape.depth_fragments;
  say("  {}: {} x {} x {}{}, {} ways\n", runs.front().label, 16 * shape.row_fragments, 16 * shape.column_fragments,
      16 * shape.depth_fragments, shape.lhs_prologue ? ", left side made on the way" : "", runs.size());
  const auto line = [&](const SweptProduct& p) {
    const vulkan::Share share = vulkan::share_of(ceilings, {.flop = flop, .bytes = 0}, p.microseconds, matrix, {1, 0});
    say("    {:8.2f} us {:8.1f} GFLOP/s {:5.1f} % {:8}  workgroup {:4}, {}{}\n", p.microseconds,
        flop / p.microseconds * 1e-3, 100 * share.share, share.bound, p.invocations, text_of(p.tile),
        p.chosen ? "  <- chosen" : "");
  };
  for (std::size_t i = 0; i < std::min(shown, runs.size()); ++i) line(runs[i]);
  const auto chosen = std::ranges::find(runs, true, &SweptProduct::chosen);
  if (chosen == runs.end()) return;
  if (chosen - runs.begin() >= static_cast<std::ptrdiff_t>(shown)) line(*chosen);
  say("    the choice takes {:.2f} of the best's time\n", chosen->microseconds / runs.front().microseconds);
  const SweptProduct& best = runs.front();
  // The engine's workgroups are as large as the choice's, but for tiles that bring a size of their own.
  const bool usable = best.invocations == chosen->invocations || best.tile.chunk > 0;
  if (usable && chosen->microseconds > worth_a_row * best.microseconds)
    say("    for device_table.cpp: {}\n", table_row(best, precision));
}

}  // namespace

json bench_sweep(const BenchSubject& subject) {
  json rows = json::array();
  const BenchOptions& options = subject.options;
  const bool terminal = ::isatty(STDERR_FILENO) != 0;
  for (const std::string& name : options.precisions) {
    for (const std::uint32_t batch : options.batches) {
      const Precision precision = precision_from_name(name);
      const Program program = subject.program(batch, 1);
      say("sweep: {}, batch {}\n", name, batch);
      std::vector<SweptProduct> all;
      try {
        all = vulkan::sweep_products(subject.model->weights(), options.device, program, subject.request(program),
                                     precision, Fusion::block, options.range, [&](const std::string& what) {
                                       if (terminal) complain("\r{:60}\r", what);
                                     });
      } catch (const Error& error) {
        say("  {}\n", error.what());
        continue;
      }
      std::map<std::pair<std::string, vulkan::ProductShape>, std::vector<SweptProduct>> by_product;
      for (const SweptProduct& product : all) {
        by_product[{product.label, product.shape}].push_back(product);
        rows.push_back(to_json(product));
        rows.back().update({{"precision", name}, {"batch", batch}});
      }
      for (const auto& [key, runs] : by_product) {
        print_product(subject.ceilings, runs, precision);
      }
      std::fflush(stdout);
    }
  }
  return rows;
}

json bench_statistics(const BenchSubject& subject) {
  json rows = json::array();
  for (const std::string& precision : subject.options.precisions) {
    for (const std::string& fusion : subject.options.fusions) {
      std::vector<vulkan::KernelStatistics> kernels;
      try {
        kernels = vulkan::kernel_statistics(subject.model->weights(), subject.options.device,
                                            subject.program(subject.options.batches.front(), 1),
                                            precision_from_name(precision), fusion_from_name(fusion));
      } catch (const Error& error) {
        say("statistics: {} {}: {}\n", precision, fusion, error.what());
        continue;
      }
      if (kernels.empty()) {
        say("statistics: the device tells nothing of its kernels\n");
        return rows;
      }
      for (const auto& kernel : kernels) {
        say("statistics: {} {}: {}\n", precision, fusion, kernel.kernel);
        json values = json::object();
        for (const auto& [name, value] : kernel.values) {
          say("    {}: {}\n", name, value);
          values[name] = value;
        }
        rows.push_back(
            {{"precision", precision}, {"fusion", fusion}, {"kernel", kernel.kernel}, {"values", std::move(values)}});
      }
    }
  }
  return rows;
}

}  // namespace dit::cli
