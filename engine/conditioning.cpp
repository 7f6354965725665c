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

Conditioning::Dense Conditioning::dense(const char* name, bool bias) const {
  const WeightView& view = model_->weight(std::string(name) + ".weight");
  const std::vector<float> weight = read_f32(view);
  Dense dense{std::vector<float>(weight.size()),
              bias ? read_f32(model_->weight(std::string(name) + ".bias")) : std::vector<float>(view.shape.at(0))};
  const std::size_t out = dense.bias.size(), in = weight.size() / out;
  for (std::size_t row = 0; row < out; ++row) {
    for (std::size_t i = 0; i < in; ++i) dense.columns[i * out + row] = weight[row * in + i];
  }
  return dense;
}

Conditioning::Conditioning(std::shared_ptr<const Model> model) : model_(std::move(model)) {
  const ModelConfig& c = model_->config();
  time_in_ = dense("time_mlp.0", c.time_bias);
  time_out_ = dense("time_mlp.2", c.time_bias);
  if (c.has_words) word_proj_ = dense("word_proj", true);
}

void Conditioning::time(double t, std::span<float> out) const {
  const ModelConfig& c = model_->config();
  const std::uint32_t half = c.time_dim / 2;
  std::vector<float> features(c.time_dim), hidden(c.cond_dim);
  const double intervals = c.time_inclusive ? half - 1 : half;
  for (std::uint32_t k = 0; k < half; ++k) {
    const double angle = c.time_scale * t * std::exp(-std::log(10000.0) * k / intervals);
    features[k] = static_cast<float>(std::sin(angle));
    features[half + k] = static_cast<float>(std::cos(angle));
  }
  time_in_.apply(features, hidden);
  std::transform(hidden.begin(), hidden.end(), hidden.begin(), silu);
  time_out_.apply(hidden, out);
}

void Conditioning::label(const Label& label, std::span<float> out) const {
  const ModelConfig& c = model_->config();
  std::fill(out.begin(), out.end(), 0.0f);
  if (c.has_words) words(label, out);
  if (!c.has_styles) return;
  std::vector<float> row(c.cond_dim);
  read_f32(model_->weight("style_embed.weight"), std::uint64_t{label.style} * c.cond_dim, row);
  for (std::uint32_t i = 0; i < c.cond_dim; ++i) out[i] += row[i];
}

void Conditioning::words(const Label& label, std::span<float> out) const {
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
}

Label Conditioning::null_label() const { return parse_label(model_->config(), "", ""); }

std::vector<float> Conditioning::table(std::span<const double> t, std::span<const Label> labels) const {
  const std::size_t width = model_->config().cond_dim;
  std::vector<float> result(t.size() * labels.size() * width), times(width), names(labels.size() * width);
  for (std::size_t k = 0; k < labels.size(); ++k) label(labels[k], std::span(names).subspan(k * width, width));
  const Activation activation = model_->config().condition_activation;
  float* out = result.data();
  for (const double step : t) {
    time(step, times);
    for (std::size_t i = 0; i < names.size(); ++i, ++out) {
      const float sum = times[i % width] + names[i];
      *out = activation == Activation::silu ? silu(sum) : sum;
    }
  }
  return result;
}

}  // namespace dit
