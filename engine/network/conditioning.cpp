// SPDX-License-Identifier: MIT
#include "engine/network/conditioning.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace dit {
namespace {

float silu(float x) { return x / (1.0f + std::exp(-x)); }

/// (x − mean)/√(variance + eps) in f64.
void layer_norm(std::span<float> x, double eps) {
  const double count = static_cast<double>(x.size());
  double mean = 0, variance = 0;
  for (const float value : x) mean += value / count;
  for (const float value : x) variance += (value - mean) * (value - mean) / count;
  const double scale = 1 / std::sqrt(variance + eps);
  for (float& value : x) value = static_cast<float>((value - mean) * scale);
}

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
  // So many columns at a time that each has a cache line to itself until it is full.
  constexpr std::size_t some = 16;
  for (std::size_t first = 0; first < in; first += some) {
    for (std::size_t row = 0; row < out; ++row)
      for (std::size_t i = first; i < std::min(in, first + some); ++i)
        dense.columns[i * out + row] = weight[row * in + i];
  }
  return dense;
}

Conditioning::Conditioning(std::shared_ptr<const Model> model) : model_(std::move(model)) {
  const ModelConfig& c = model_->config();
  time_in_ = dense("time_mlp.0", c.time_bias);
  time_out_ = dense("time_mlp.2", c.time_bias);
  if (c.has_words) word_proj_ = dense("word_proj", true);
  // Now, and not when a prompt first wants a row: what becomes of the file later is no concern of a stream's.
  for (const auto& [wanted, name] : {std::pair(c.has_words, "word_embed.weight"), {c.has_styles, "style_embed.weight"}})
    if (wanted) (void)model_->weight(name).read();
  if (c.context == 0) return;
  context_word_ = dense("context.word", true);
  context_style_ = dense("context.style", true);
  context_position_ = read_f32(model_->weight("context.position"));
  context_padding_ = embed("word_embed.weight", 0, context_word_);
}

std::vector<float> Conditioning::embed(const char* table, std::uint32_t index, const Dense& dense) const {
  std::vector<float> row(model_->config().cond_dim), result(row.size());
  read_f32(model_->weight(table), std::uint64_t{index} * row.size(), row);
  dense.apply(row, result);
  return result;
}

std::size_t Conditioning::context_size() const {
  return std::size_t{model_->config().context_rows()} * model_->config().cond_dim;
}

void Conditioning::context(const Label& label, std::span<float> out) const {
  const ModelConfig& c = model_->config();
  const std::size_t width = c.cond_dim;
  for (std::uint32_t i = 0; i < c.context_rows(); ++i) {
    const std::span<float> row = out.subspan(i * width, width);
    if (i == c.context) {
      std::ranges::copy(embed("style_embed.weight", label.style, context_style_), row.begin());
    } else if (i < label.words.size()) {
      std::ranges::copy(embed("word_embed.weight", label.words[i], context_word_), row.begin());
    } else {
      std::ranges::copy(context_padding_, row.begin());
    }
    for (std::size_t j = 0; j < width; ++j) row[j] += context_position_[i * width + j];
    layer_norm(row, c.norm.eps);
  }
}

std::vector<float> Conditioning::contexts(std::span<const Label> labels) const {
  const std::size_t size = context_size();
  std::vector<float> result(labels.size() * size);
  for (std::size_t k = 0; k < labels.size(); ++k) context(labels[k], std::span(result).subspan(k * size, size));
  return result;
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

void Conditioning::table(std::span<const float> times, std::span<const float> labels, std::span<float> out) const {
  const std::size_t width = model_->config().cond_dim;
  const Activation activation = model_->config().condition_activation;
  float* to = out.data();
  for (std::size_t step = 0; step < times.size(); step += width) {
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const float sum = times[step + i % width] + labels[i];
      *to++ = activation == Activation::silu ? silu(sum) : sum;
    }
  }
}

std::vector<float> Conditioning::table(std::span<const double> t, std::span<const Label> labels) const {
  const std::size_t width = model_->config().cond_dim;
  std::vector<float> times(t.size() * width), rows(labels.size() * width), result(t.size() * labels.size() * width);
  for (std::size_t s = 0; s < t.size(); ++s) time(t[s], std::span(times).subspan(s * width, width));
  for (std::size_t k = 0; k < labels.size(); ++k) label(labels[k], std::span(rows).subspan(k * width, width));
  table(times, rows, result);
  return result;
}

void blend_labels(std::span<const float> from, std::span<const float> toward, double blend, std::span<float> out) {
  double dot = 0, from_square = 0, toward_square = 0;
  for (std::size_t i = 0; i < from.size(); ++i) {
    dot += double{from[i]} * toward[i];
    from_square += double{from[i]} * from[i];
    toward_square += double{toward[i]} * toward[i];
  }
  const double from_length = std::sqrt(from_square), toward_length = std::sqrt(toward_square);
  const double cosine = dot / std::max(from_length * toward_length, 1e-30);
  const double angle = std::acos(std::clamp(cosine, -1.0, 1.0));
  double from_weight = 1 - blend, toward_weight = blend;
  // Nearly parallel directions have no great circle worth the division, opposite ones no single one.
  if (std::sin(angle) > 1e-4) {
    const double length = from_weight * from_length + toward_weight * toward_length;
    from_weight = std::sin((1 - blend) * angle) / std::sin(angle) * length / from_length;
    toward_weight = std::sin(blend * angle) / std::sin(angle) * length / toward_length;
  }
  if (blend <= 0) from_weight = 1, toward_weight = 0;
  if (blend >= 1) from_weight = 0, toward_weight = 1;
  for (std::size_t i = 0; i < from.size(); ++i) {
    out[i] = static_cast<float>(from_weight * from[i] + toward_weight * toward[i]);
  }
}

void blend_contexts(std::span<const float> from, std::span<const float> toward, std::size_t width, double blend,
                    std::span<float> out) {
  for (std::size_t at = 0; at < from.size(); at += width)
    blend_labels(from.subspan(at, width), toward.subspan(at, width), blend, out.subspan(at, width));
}

}  // namespace dit
