// SPDX-License-Identifier: MIT
#include "tests/engine/support/formula_weights.h"

#include <cmath>
#include <map>
#include <span>
#include <utility>

namespace dit::test {
namespace {

constexpr std::uint64_t seed = 20250218;
constexpr std::uint32_t noise_tensor = 100;

std::uint64_t splitmix64(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

struct Matrix {
  std::string key;
  std::uint32_t out, in;
};

/// In export order, which numbers the tensors.
std::vector<Matrix> matrices_of(const DiffusorSizes& s) {
  const std::uint32_t pixels = 3 * s.patch * s.patch;
  std::vector<Matrix> list = {
      {"patch_embed", s.dim, pixels}, {"time_mlp.1", s.time, s.dim / 2}, {"time_mlp.3", s.time, s.time}};
  for (std::uint32_t i = 0; i < s.depth; ++i) {
    const std::string block = "block_" + std::to_string(i) + ".";
    for (const char* name : {"to_q", "to_k", "to_v"}) list.push_back({block + "attn." + name, s.head, s.dim});
    list.push_back({block + "attn.to_out", s.dim, s.head});
    list.push_back({block + "ff.net.0", s.mlp, s.dim});
    list.push_back({block + "ff.net.2", s.dim, s.mlp});
    for (const char* name : {"norm1.scale", "norm1.shift", "norm2.scale", "norm2.shift"})
      list.push_back({block + name, s.dim, s.time});
  }
  list.push_back({"final_norm.scale", s.dim, s.time});
  list.push_back({"final_norm.shift", s.dim, s.time});
  list.push_back({"to_pixels", pixels, s.dim});
  return list;
}

}  // namespace

std::vector<double> formula_uniform(std::uint32_t number, std::size_t count) {
  std::vector<double> values(count);
  const std::uint64_t start = seed + (std::uint64_t{number} << 40);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<double>(splitmix64(start + i) >> 40) / 0x1p23 - 1;
  return values;
}

std::shared_ptr<Weights> formula_weights(const DiffusorSizes& sizes, bool transposed) {
  auto weights = std::make_shared<Weights>();
  auto owner = std::make_shared<std::map<std::string, std::vector<float>>>();
  std::uint32_t number = 0;
  for (const Matrix& m : matrices_of(sizes)) {
    const std::string key = m.key + ".weight";
    const double scale = static_cast<float>(1 / std::sqrt(static_cast<double>(m.in)));
    const std::vector<double> uniform = formula_uniform(number++, std::size_t{m.out} * m.in);
    std::vector<float>& values = (*owner)[key];
    values.resize(uniform.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t at = transposed ? i % m.in * m.out + i / m.in : i;
      values[at] = static_cast<float>(uniform[i] * scale);
    }
    const Shape shape = transposed ? Shape{m.in, m.out} : Shape{m.out, m.in};
    weights->tensors[key] = {key, DType::f32, shape, std::as_bytes(std::span(values))};
  }
  weights->metadata["format"] = "WTS1";
  weights->owner = owner;
  return weights;
}

std::vector<std::vector<float>> formula_noise() {
  constexpr std::size_t steps = 32, elements = std::size_t{3} * 64 * 64;
  const std::vector<double> uniform = formula_uniform(noise_tensor, steps * elements);
  std::vector<std::vector<float>> noise(steps, std::vector<float>(elements));
  for (std::size_t i = 0; i < uniform.size(); ++i)
    noise[i / elements][i % elements] = static_cast<float>(std::sqrt(3.0) * uniform[i]);
  return noise;
}

}  // namespace dit::test
