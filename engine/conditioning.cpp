// SPDX-License-Identifier: MIT
#include "engine/conditioning.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace dit {
namespace {

float silu(float x) { return x / (1.0f + std::exp(-x)); }

}  // namespace

void Conditioning::Dense::apply(std::span<const float> x, std::span<float> y) const {
  // f64 sums make the small layers exact enough that no executor ever differs by them.
  std::vector<double> sums(bias.begin(), bias.end());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float* column = &columns[i * sums.size()];
    for (std::size_t row = 0; row < sums.size(); ++row) sums[row] += static_cast<double>(column[row]) * x[i];
  }
  std::transform(sums.begin(), sums.end(), y.begin(), [](double sum) { return static_cast<float>(sum); });
}

Conditioning::Dense Conditioning::dense(const char* name) const {
  const std::vector<float> weight = read_f32(model_->weight(std::string(name) + ".weight"));
  Dense dense{std::vector<float>(weight.size()), read_f32(model_->weight(std::string(name) + ".bias"))};
  const std::size_t out = dense.bias.size(), in = weight.size() / out;
  for (std::size_t row = 0; row < out; ++row) {
    for (std::size_t i = 0; i < in; ++i) dense.columns[i * out + row] = weight[row * in + i];
  }
  return dense;
}

Conditioning::Conditioning(std::shared_ptr<const Model> model) : model_(std::move(model)) {
  time_in_ = dense("time_mlp.0");
  time_out_ = dense("time_mlp.2");
  word_proj_ = dense("word_proj");
}

void Conditioning::time(double t, std::span<float> out) const {
  const ModelConfig& c = model_->config();
  const std::uint32_t half = c.time_dim / 2;
  std::vector<float> features(c.time_dim), hidden(c.cond_dim);
  for (std::uint32_t k = 0; k < half; ++k) {
    const double angle = c.time_scale * t * std::exp(-std::log(10000.0) * k / half);
    features[k] = static_cast<float>(std::sin(angle));
    features[half + k] = static_cast<float>(std::cos(angle));
  }
  time_in_.apply(features, hidden);
  std::transform(hidden.begin(), hidden.end(), hidden.begin(), silu);
  time_out_.apply(hidden, out);
}

void Conditioning::label(const Label& label, std::span<float> out) const {
  const std::uint32_t width = model_->config().cond_dim;
  const WeightView& words = model_->weight("word_embed.weight");
  std::vector<float> sum(width, 0.0f), row(width);
  for (const std::uint32_t word : label.words) {
    read_f32(words, std::uint64_t{word} * width, row);
    for (std::uint32_t i = 0; i < width; ++i) sum[i] += row[i];
  }
  const float scale = 1.0f / std::sqrt(static_cast<float>(std::max<std::size_t>(1, label.words.size())));
  for (float& value : sum) value *= scale;
  word_proj_.apply(sum, out);
  read_f32(model_->weight("style_embed.weight"), std::uint64_t{label.style} * width, row);
  for (std::uint32_t i = 0; i < width; ++i) out[i] += row[i];
}

Label Conditioning::null_label() const { return parse_label(model_->config(), "", ""); }

std::vector<float> Conditioning::table(std::span<const double> t, std::span<const Label> labels) const {
  const std::size_t width = model_->config().cond_dim;
  std::vector<float> result(t.size() * labels.size() * width), times(width), names(labels.size() * width);
  for (std::size_t k = 0; k < labels.size(); ++k) label(labels[k], std::span(names).subspan(k * width, width));
  float* out = result.data();
  for (const double step : t) {
    time(step, times);
    for (std::size_t i = 0; i < names.size(); ++i) *out++ = silu(times[i % width] + names[i]);
  }
  return result;
}

}  // namespace dit
