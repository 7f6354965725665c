// SPDX-License-Identifier: MIT
// Time, label and prompt -> the condition vector of every step, once per icon. Small, so it stays on the host in f32.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/model/model.h"
#include "engine/model/vocabulary.h"

namespace dit {

/// Holds the small conditioning weights as f32. Immutable after construction.
class Conditioning {
 public:
  explicit Conditioning(std::shared_ptr<const Model> model);

  /// time_mlp of the sinusoidal features of t, sines first. out [cond_dim].
  void time(double t, std::span<float> out) const;
  /// style_embed + word_proj(sum of word_embed / √max(1, words)), without what the model lacks. out [cond_dim].
  void label(const Label& label, std::span<float> out) const;
  /// The words and the style of a label as rows for attention, each with its position and normed; words past the last
  /// of ModelConfig::context are not seen. out [context + 1,cond_dim]; nothing where the model has no context.
  void context(const Label& label, std::span<float> out) const;
  /// Floats that context() fills.
  std::size_t context_size() const;
  /// The label that guidance moves away from: no words, no style.
  Label null_label() const;

  /// time + label, after ModelConfig::condition_activation, for every step and label: times [S,cond_dim], labels
  /// [K,cond_dim], out [S,K,cond_dim].
  void table(std::span<const float> times, std::span<const float> labels, std::span<float> out) const;
  std::vector<float> table(std::span<const double> t, std::span<const Label> labels) const;
  /// context() of each label, one after the other.
  std::vector<float> contexts(std::span<const Label> labels) const;

 private:
  struct Dense {
    std::vector<float> columns, bias;  // [I,O] so that the inner loop runs over neighbours, [O] (zeros where none)
    void apply(std::span<const float> x, std::span<float> y) const;
  };
  Dense dense(const char* name, bool bias) const;
  /// A row of an embedding table through a layer.
  std::vector<float> embed(const char* table, std::uint32_t index, const Dense& dense) const;
  /// word_proj(sum of word_embed / √max(1, words)). out [cond_dim].
  void words(const Label& label, std::span<float> out) const;

  std::shared_ptr<const Model> model_;
  Dense time_in_, time_out_, word_proj_, context_word_, context_style_;
  std::vector<float> context_position_,
      context_padding_;  // [context + 1,cond_dim]; a row that has no word, before both
};

/// The point between two label vectors: direction on the great circle, length in proportion. blend 0 … 1; 0 is `from`
/// to the bit, 1 is `toward`. All [cond_dim].
void blend_labels(std::span<const float> from, std::span<const float> toward, double blend, std::span<float> out);
/// The same for each row of `width` values. Rows that are normed stay so: a great circle leads through vectors of one
/// length, and sums of rows without a mean have none.
void blend_contexts(std::span<const float> from, std::span<const float> toward, std::size_t width, double blend,
                    std::span<float> out);

}  // namespace dit
