// SPDX-License-Identifier: MIT
#include "engine/cli/commands/bench/ceilings.h"
#include "engine/cli/text/print.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>

namespace dit::cli {

using nlohmann::json;

json bench_ceilings(const BenchSubject& subject) {
  const vulkan::Ceilings& c = subject.ceilings;
  say("ceilings, medians of 7:\n");
  say("  copy, read and written          {:10.1f} GB/s\n", c.copy_gb_s);
  say("  f32 multiply-adds               {:10.3f} TFLOP/s\n", c.f32_tflop_s);
  if (c.matrix_tflop_s > 0) {
    say("  f16 matrices 16x16x16           {:10.2f} TFLOP/s\n", c.matrix_tflop_s);
  } else {
    say("  f16 matrices 16x16x16           not offered\n");
  }
  say("  empty dispatch + barrier        {:10.2f} us, {:.2f} us of two pipelines in turn\n", c.dispatch_us,
      c.alternating_us);
  if (c.grid_barrier_us > 0) {
    say("  barrier of a persistent dispatch{:10.2f} us\n", c.grid_barrier_us);
  } else {
    say("  barrier of a persistent dispatch: its workgroups do not stay resident\n");
  }
  say("  submit + wait                   {:10.1f} us\n", c.submit_us);
  return {{"copy_gb_s", c.copy_gb_s},     {"f32_tflop_s", c.f32_tflop_s},       {"matrix_tflop_s", c.matrix_tflop_s},
          {"dispatch_us", c.dispatch_us}, {"alternating_us", c.alternating_us}, {"grid_barrier_us", c.grid_barrier_us},
          {"submit_us", c.submit_us}};
}

}  // namespace dit::cli
