// SPDX-License-Identifier: MIT
// What a weight file says, checked: the configuration and every tensor the network needs.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/model/weights.h"

namespace dit {

class LexiconFile;
class WordIndex;

enum class Prediction { x, epsilon, v };
enum class ScheduleType { flow, vp_cosine, vp_linear };
enum class Activation { none, silu, gelu_erf, gelu_tanh };
enum class Rounding { nearest, floor };

/// A norm over the last dimension without weights of its own: (x − mean)/deviation, or x/√(mean x²) for rms.
struct Norm {
  enum class Type { layer, rms };
  Type type = Type::layer;
  bool unbiased = false;     ///< layer only: the variance is divided by the count − 1, as torch.std does
  bool eps_outside = false;  ///< √v + eps in place of √(v + eps)
  float eps = 1e-5f;
};

/// How noise and data mix over time: x_t = alpha(t) x_0 + sigma(t) noise. See solver.h.
struct ScheduleConfig {
  ScheduleType type = ScheduleType::flow;
  std::uint32_t timesteps = 1000;  ///< of the trained grid; variance-preserving schedules only
  double cosine_offset = 0.008;    ///< vp_cosine only; Nichol & Dhariwal 2021 eq. 17
  double beta_start = 1e-4;        ///< vp_linear only
  double beta_end = 0.02;          ///< vp_linear only
  /// DDPM's noise: the variance of the posterior given x_0, or the step's whole beta (Ho et al. 2020, §3.2).
  enum class Variance { posterior, beta };
  Variance variance = Variance::posterior;
};

/// Sizes and choices of one network. All from the file's metadata; the field names are the JSON keys.
struct ModelConfig {
  std::string name;
  std::string description;
  std::string licence;
  std::uint32_t channels = 0;             ///< 4 = RGBA, 3 = RGB
  std::uint32_t height = 0;               ///< pixels, a multiple of patch
  std::uint32_t width = 0;                ///< pixels, a multiple of patch
  bool premultiplied = false;             ///< alpha: "premultiplied"; false is "none", channels is then 3
  Rounding rounding = Rounding::nearest;  ///< of pixels to bytes
  std::uint32_t patch = 0;                ///< pixels along one side of a token
  /// Pixels along one side of what a token reads and writes: at least patch, centred on it; 0 stands for patch.
  std::uint32_t window = 0;
  std::uint32_t dim = 0;
  std::uint32_t depth = 0;
  std::uint32_t heads = 0;
  std::uint32_t head_dim = 0;  ///< of one head; 0 stands for dim / heads
  std::uint32_t mlp_dim = 0;
  std::uint32_t cond_dim = 0;
  std::uint32_t time_dim = 0;  ///< features of the sinusoidal time embedding, even
  double time_scale = 1.0;     ///< the network sees time_scale · t
  /// Frequency k of n = time_dim/2 is 10000^(−k/n), or 10000^(−k/(n−1)) where the last one is to be 1/10000 itself.
  bool time_inclusive = false;
  bool time_bias = true;                               ///< whether the layers of time_mlp have one
  Activation condition_activation = Activation::silu;  ///< of time + label before the modulation: silu or none
  Norm norm;
  bool qk_norm = false;
  double qk_norm_eps = 1e-6;
  bool bias = false;       ///< whether the linear layers inside the blocks have one
  bool outer_bias = true;  ///< whether patch_embed, the modulations and final.linear have one
  bool gated = true;       ///< adaLN-zero: the condition also scales what a block adds
  Activation activation = Activation::silu;
  Prediction prediction = Prediction::x;
  ScheduleConfig schedule;
  bool has_styles = true;           ///< whether there is a style_embed: the file lists styles, perhaps none
  bool has_words = true;            ///< whether there are a word_embed and a word_proj
  std::vector<std::string> styles;  ///< row i of style_embed; the row after the last is "no style"
  std::vector<std::string> words;   ///< word i is row i + 1 of word_embed; row 0 is padding
  std::map<std::string, std::vector<std::string>> aliases;  ///< what a user may type -> words of the model
  std::uint32_t default_steps = 16;
  std::string default_sampler = "euler";
  double default_guidance = 1.0;
  /// How often icons of a word are recognised, of 255: word by word, or word by word a byte for each style. Empty if
  /// the file does not say.
  std::vector<std::uint8_t> good;
  std::shared_ptr<const LexiconFile> lexicon;  ///< for what the words do not say; null in one without a model
  std::shared_ptr<const WordIndex> index;  ///< of words, aliases and styles; null in a configuration without a model

  /// How well the model knows the word of a row of word_embed, 0 … 1, over all styles; 1 if the file does not say.
  float goodness(std::uint32_t row) const noexcept;
  std::uint32_t tokens() const noexcept { return (height / patch) * (width / patch); }
  std::uint32_t head_size() const noexcept { return head_dim ? head_dim : dim / heads; }
  /// Width of q, of k and of v: all heads side by side.
  std::uint32_t attention_dim() const noexcept { return heads * head_size(); }
  std::uint32_t window_size() const noexcept { return window ? window : patch; }
  std::uint32_t window_features() const noexcept { return channels * window_size() * window_size(); }
};

/// A checked weight file, memory-mapped. Immutable; share it freely between threads and sessions.
class Model {
 public:
  /// Opens and checks a weight file: safetensors, GGUF, or WTS1, whose configuration is inferred from its shapes and
  /// from a file of configuration keys beside it, see formats/wts1_model.h. errors  not_found, unreadable, wrong_format
  /// (names the tensor or key, what was expected, what was found)
  /// lexicon  where it is if $DIT_LEXICON is not set and no lexicon.bin lies beside the weights; none need be there
  static std::shared_ptr<const Model> open(const std::filesystem::path& path,
                                           const std::filesystem::path& lexicon = {});

  /// Checks weights that are already in memory (tests, converters).
  static std::shared_ptr<const Model> from(std::shared_ptr<const Weights> weights, std::filesystem::path path,
                                           const std::filesystem::path& lexicon = {});

  const ModelConfig& config() const noexcept { return config_; }
  const std::filesystem::path& path() const noexcept { return path_; }
  const std::shared_ptr<const Weights>& weights() const noexcept { return weights_; }

  /// The named tensor; every name that dit.cpp asks for was checked by open().
  /// errors  throws Error{wrong_format} for any other name
  const WeightView& weight(const std::string& name) const;

  std::uint64_t parameter_count() const noexcept;

 private:
  Model() = default;
  void check_tensors() const;

  std::shared_ptr<const Weights> weights_;
  ModelConfig config_;
  std::filesystem::path path_;
};

}  // namespace dit
