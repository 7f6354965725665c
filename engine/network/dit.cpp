// SPDX-License-Identifier: MIT
#include "engine/network/dit.h"

#include <string>

namespace dit {
namespace {

/// The network as a function of its configuration: each method records one part of it, in the order of the paper.
class Network {
 public:
  Network(const ModelConfig& config, const PlanShape& shape) : c_(config), recorder_(shape), shape_(shape) {}

  Program record() {
    declare();
    condition();
    if (c_.context > 0) context();
    recorder_.step("noise", op::Noise{.x = x_});
    embed();
    for (std::uint32_t i = 0; i < c_.depth; ++i) block("blocks." + std::to_string(i) + ".");
    predict();
    recorder_.step("combine", op::Combine{.prediction = prediction_, .x = x_, .history = history_});
    recorder_.step("to_rgba",
                   op::ToRgba{.x = x_, .rgba = rgba_, .premultiplied = c_.premultiplied, .rounding = c_.rounding});
    return recorder_.finish();
  }

 private:
  void declare() {
    const std::uint32_t rows = shape_.rows(), batch = shape_.batch, tokens = c_.tokens();
    const Shape image = {batch, c_.channels, c_.height, c_.width};
    condition_ = recorder_.activation("condition", {shape_.steps * shape_.conditions, c_.cond_dim});
    x_ = recorder_.activation("x", image);
    history_ = recorder_.activation("history", {4, batch, c_.channels, c_.height, c_.width});
    residual_ = recorder_.activation("residual", {rows, tokens, c_.dim});
    qkv_ = recorder_.activation("qkv", {rows, tokens, 3 * c_.attention_dim()});
    attended_ = recorder_.activation("attended", {rows, tokens, c_.attention_dim()});
    hidden_ = recorder_.activation("hidden", {rows, tokens, c_.mlp_dim});
    prediction_ = recorder_.activation("prediction", {rows, c_.channels, c_.height, c_.width});
    rgba_ = recorder_.rgba("rgba", {batch, c_.height, c_.width, 4});
    recorder_.set_condition(condition_);
    if (c_.context > 0) {
      context_ = recorder_.activation("context", {shape_.conditions * c_.context_rows(), c_.cond_dim});
      recorder_.set_context(context_);
    }
    recorder_.set_x(x_);
    recorder_.set_rgba(rgba_);
  }

  /// Scale, shift and gate depend on the condition alone, so all steps' tables are made before the first step.
  void condition() {
    for (std::uint32_t i = 0; i < c_.depth; ++i) table("blocks." + std::to_string(i) + ".modulation", block_chunks());
    table("final.modulation", 2);
  }

  void table(const std::string& name, std::uint32_t chunks) {
    recorder_.prepare(name, op::Linear{.x = condition_,
                                       .weight = recorder_.weight(name + ".weight", {chunks * c_.dim, c_.cond_dim}),
                                       .bias = optional_bias(c_.outer_bias, name, chunks * c_.dim),
                                       .y = modulation_table(name, chunks)});
  }

  TensorId modulation_table(const std::string& name, std::uint32_t chunks) {
    return recorder_.activation(name, {shape_.steps * shape_.conditions, chunks * c_.dim});
  }

  /// Keys and values of the prompt depend on the condition alone, and not on the step: made, and keys normed, once.
  void context() {
    const std::uint32_t width = 2 * c_.attention_dim();
    for (std::uint32_t i = 0; i < c_.depth; ++i) {
      const std::string attention = "blocks." + std::to_string(i) + ".attn.", name = attention + "context";
      recorder_.prepare(name, op::Linear{.x = context_,
                                         .weight = recorder_.weight(name + ".weight", {width, c_.cond_dim}),
                                         .bias = recorder_.weight(name + ".bias", {width}),
                                         .y = context_keys(attention)});
      if (!c_.qk_norm) continue;
      recorder_.prepare(name + "_norm", op::HeadNorm{.x = context_keys(attention),
                                                     .weight = head_weight(attention + "k_norm"),
                                                     .norm_eps = static_cast<float>(c_.qk_norm_eps),
                                                     .heads = c_.heads});
    }
  }

  TensorId context_keys(const std::string& attention) {
    return recorder_.activation(attention + "context", {shape_.conditions * c_.context_rows(), 2 * c_.attention_dim()});
  }

  TensorId head_weight(const std::string& name) { return recorder_.weight(name + ".weight", {c_.head_size()}); }

  void embed() {
    recorder_.step("patch_embed",
                   op::Embed{.x = x_,
                             .weight = recorder_.weight("patch_embed.weight", {c_.dim, c_.window_features()}),
                             .bias = optional_bias(c_.outer_bias, "patch_embed", c_.dim),
                             .position = recorder_.weight("pos_embed", {c_.tokens(), c_.dim}),
                             .y = residual_,
                             .patch = c_.patch,
                             .window = c_.window_size()});
  }

  /// x += gate·attention(modulate(norm(x))); x += gate·mlp(modulate(norm(x))).
  void block(const std::string& name) {
    const TensorId table = modulation_table(name + "modulation", block_chunks());
    const op::Modulation attention = modulation(table, 0), mlp = modulation(table, block_chunks() / 2);
    modulated_linear(name + "attn.qkv", attention, Activation::none, qkv_, 3 * c_.attention_dim());
    attend(name + "attn.");
    gated_linear_add(name + "attn.out", attended_, attention, c_.attention_dim());
    modulated_linear(name + "mlp.fc1", mlp, c_.activation, hidden_, c_.mlp_dim);
    gated_linear_add(name + "mlp.fc2", hidden_, mlp, c_.mlp_dim);
  }

  /// Shift and scale, and gate where there is one, for each half of a block.
  std::uint32_t block_chunks() const { return c_.gated ? 6 : 4; }

  op::Modulation modulation(TensorId table, std::uint32_t chunk) const {
    return {.table = table,
            .shift = chunk * c_.dim,
            .scale = (chunk + 1) * c_.dim,
            .gate = c_.gated ? (chunk + 2) * c_.dim : op::no_column};
  }

  void modulated_linear(const std::string& name, const op::Modulation& modulation, Activation activation, TensorId y,
                        std::uint32_t out) {
    recorder_.step(name, op::ModulatedLinear{.x = residual_,
                                             .modulation = modulation,
                                             .norm = c_.norm,
                                             .weight = recorder_.weight(name + ".weight", {out, c_.dim}),
                                             .bias = optional_bias(c_.bias, name, out),
                                             .activation = activation,
                                             .y = y});
  }

  void attend(const std::string& name) {
    recorder_.step(name + "attention", op::Attention{.qkv = qkv_,
                                                     .q_norm = c_.qk_norm ? head_weight(name + "q_norm") : no_tensor,
                                                     .k_norm = c_.qk_norm ? head_weight(name + "k_norm") : no_tensor,
                                                     .norm_eps = static_cast<float>(c_.qk_norm_eps),
                                                     .heads = c_.heads,
                                                     .y = attended_,
                                                     .context = c_.context > 0 ? context_keys(name) : no_tensor});
  }

  void gated_linear_add(const std::string& name, TensorId x, const op::Modulation& modulation, std::uint32_t in) {
    recorder_.step(name, op::GatedLinearAdd{.x = x,
                                            .weight = recorder_.weight(name + ".weight", {c_.dim, in}),
                                            .bias = optional_bias(c_.bias, name, c_.dim),
                                            .modulation = modulation,
                                            .residual = residual_});
  }

  void predict() {
    if (!c_.detail) return to_pixels("final", c_.channels, prediction_);
    to_pixels("final.linear", c_.detail->channels, image_of("features", c_.detail->channels));
    detail();
  }

  /// Tokens to `channels` a pixel.
  void to_pixels(const std::string& label, std::uint32_t channels, TensorId y) {
    const std::uint32_t out = channels * c_.window_size() * c_.window_size();
    recorder_.step(
        label, op::Final{.x = residual_,
                         .modulation = {.table = modulation_table("final.modulation", 2), .shift = 0, .scale = c_.dim},
                         .norm = c_.norm,
                         .weight = recorder_.weight("final.linear.weight", {out, c_.dim}),
                         .bias = optional_bias(c_.outer_bias, "final.linear", out),
                         .patch = c_.patch,
                         .window = c_.window_size(),
                         .y = y});
  }

  /// The convolutional head: its last layer makes the prediction, so that its label is that of any network.
  void detail() {
    const DetailConfig& d = *c_.detail;
    TensorId x = image_of("features", d.channels);
    std::uint32_t in = d.channels + c_.channels;
    for (std::uint32_t i = 0; i < d.layers; ++i) {
      const std::string name = "detail.convs." + std::to_string(i);
      const bool first = i == 0, last = i + 1 == d.layers;
      const std::uint32_t out = last ? c_.channels : d.hidden;
      const TensorId y = last ? prediction_ : image_of(i % 2 == 0 ? "detail.even" : "detail.odd", out);
      recorder_.step(last ? "final" : name, op::Conv{.x = x,
                                                     .picture = first ? x_ : no_tensor,
                                                     .weight = recorder_.weight(name + ".weight", {out, in, 3, 3}),
                                                     .bias = recorder_.weight(name + ".bias", {out}),
                                                     .activation = last ? Activation::none : Activation::silu,
                                                     .residual = !first && !last,
                                                     .y = y});
      x = y;
      in = out;
    }
  }

  TensorId image_of(const std::string& name, std::uint32_t channels) {
    return recorder_.activation(name, {shape_.rows(), channels, c_.height, c_.width});
  }

  TensorId optional_bias(bool wanted, const std::string& name, std::uint32_t size) {
    return wanted ? recorder_.weight(name + ".bias", {size}) : no_tensor;
  }

  const ModelConfig& c_;
  Recorder recorder_;
  PlanShape shape_;
  TensorId condition_{}, context_ = no_tensor, x_{}, history_{}, residual_{}, qkv_{}, attended_{}, hidden_{},
                         prediction_{}, rgba_{};
};

}  // namespace

Program record(const ModelConfig& config, const PlanShape& shape) { return Network(config, shape).record(); }

}  // namespace dit
