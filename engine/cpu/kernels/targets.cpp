// SPDX-License-Identifier: MIT
#include "engine/cpu/kernels/targets.h"

#include <algorithm>
#include <chrono>

#include "engine/error.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/cpu/kernels/targets.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace dit::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

const char* name() { return hwy::TargetName(HWY_TARGET); }

// Twelve chains cover the latency of any multiply-add. Returns the floating-point operations done.
double multiply_add(std::size_t loops, float* out) {
  const hn::CappedTag<float, 16> d;
  using V = hn::Vec<decltype(d)>;
  const V x = hn::Set(d, out[0]);
  const V y = hn::Set(d, out[1]);
  // Different starts, or the compiler makes one chain of all.
  V a = x, b = a + x, c = b + x, e = c + x, f = e + x, g = f + x;
  V h = g + x, i = h + x, j = i + x, k = j + x, l = k + x, m = l + x;
  for (std::size_t loop = 0; loop < loops; ++loop) {
    a = hn::MulAdd(a, y, x);
    b = hn::MulAdd(b, y, x);
    c = hn::MulAdd(c, y, x);
    e = hn::MulAdd(e, y, x);
    f = hn::MulAdd(f, y, x);
    g = hn::MulAdd(g, y, x);
    h = hn::MulAdd(h, y, x);
    i = hn::MulAdd(i, y, x);
    j = hn::MulAdd(j, y, x);
    k = hn::MulAdd(k, y, x);
    l = hn::MulAdd(l, y, x);
    m = hn::MulAdd(m, y, x);
  }
  const V sum = a + b + c + e + f + g + h + i + j + k + l + m;
  out[2] = hn::GetLane(hn::SumOfLanes(d, sum));
  return 24.0 * static_cast<double>(loops * hn::Lanes(d));
}

}  // namespace dit::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace dit::cpu {
namespace {

HWY_EXPORT(name);
HWY_EXPORT(multiply_add);

}  // namespace

std::string target() { return HWY_DYNAMIC_DISPATCH(name)(); }

std::vector<std::string> usable_targets() {
  std::vector<std::string> names;
  for (const std::int64_t one : hwy::SupportedAndGeneratedTargets()) names.emplace_back(hwy::TargetName(one));
  return names;
}

void force_target(const std::string& wanted) {
  hwy::SetSupportedTargetsForTest(0);
  std::int64_t chosen = 0;
  if (!wanted.empty()) {
    std::string known;
    for (const std::int64_t one : hwy::SupportedAndGeneratedTargets()) {
      if (wanted == hwy::TargetName(one)) chosen = one;
      known += known.empty() ? hwy::TargetName(one) : std::string(", ") + hwy::TargetName(one);
    }
    expect(chosen != 0, ErrorKind::settings, "SIMD target: expected one of {}, found '{}'", known, wanted);
    hwy::SetSupportedTargetsForTest(chosen);
  }
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

double measure_peak_gflops() {
  float values[3] = {1e-3f, 0.5f, 0.f};
  double best = 0;
  for (int repeat = 0; repeat < 20; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    const double flops = HWY_DYNAMIC_DISPATCH(multiply_add)(1u << 20, values);
    const std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - start;
    best = std::max(best, flops / time.count());
  }
  return best;
}

}  // namespace dit::cpu
#endif
