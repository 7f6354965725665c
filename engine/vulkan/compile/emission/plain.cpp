// SPDX-License-Identifier: MIT
#include "engine/vulkan/compile/emission/plain.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <utility>

#include "engine/error.h"
#include "shaders/common/params.h"

namespace dit::vulkan {
namespace {

constexpr std::uint32_t gemm_tile = 32;    // TILE in gemm.glsl
constexpr std::uint32_t invocations = 64;  // of every workgroup
constexpr std::uint32_t head_dim_limit = 256;
constexpr std::uint32_t tokens_limit = 1024;

/// A grid of `count` groups in two dimensions; the kernel drops the surplus.
std::array<std::uint32_t, 3> line_grid(std::uint32_t count) {
  const std::uint32_t x = std::clamp(count, 1u, groups_a_line);
  return {x, std::max(1u, divide_up(count, x)), 1};
}

template <typename Params>
std::vector<std::uint32_t> words_of(const Params& params) {
  static_assert(std::is_trivially_copyable_v<Params> && sizeof(Params) % 4 == 0 && sizeof(Params) <= 128);
  std::vector<std::uint32_t> words(sizeof(Params) / 4);
  std::memcpy(words.data(), &params, sizeof(Params));
  return words;
}

Operand in(TensorId id) { return {Region::tensor, id, true, false}; }
Operand out(TensorId id) { return {Region::tensor, id, false, true}; }
Operand in_place(TensorId id) { return {Region::tensor, id, true, true}; }
Operand in(Region region) { return {region, no_tensor, true, false}; }

/// The calls of one op, by its type.
class PlainCalls {
 public:
  PlainCalls(const Program& program, const Op& op, const std::vector<DType>& types)
      : program_(program), op_(op), types_(types) {}

  std::vector<KernelCall> operator()(const op::Noise& o) const {
    const std::uint32_t elements = icon_elements(o.x);
    return {{"noise",
             {},
             // Icons that are not at their first step keep their values: a read as well as a write.
             {in_place(o.x), in(Region::icons), in(Region::solver_row), in(Region::normal_table)},
             words_of(params::Noise{.step = 0, .batch = program_.shape.batch, .elements = elements}),
             quad_grid(elements)}};
  }

  std::vector<KernelCall> operator()(const op::Linear& o) const {
    const params::Linear p = {.step = 0,
                              .rows = shape(o.x)[0],
                              .inputs = shape(o.weight)[1],
                              .outputs = shape(o.weight)[0],
                              .has_bias = has(o.bias)};
    return {{"linear" + suffix(o.weight),
             {p.inputs % 4 == 0},
             {in(o.x), in(o.weight), optional(o.bias, o.weight), out(o.y)},
             words_of(p),
             tile_grid(p.outputs, p.rows)}};
  }

  std::vector<KernelCall> operator()(const op::HeadNorm& o) const {
    const params::HeadNorm p = {.step = 0,
                                .rows = shape(o.x)[0],
                                .columns = shape(o.x)[1],
                                .heads = o.heads,
                                .head_dim = shape(o.weight)[0],
                                .eps = o.norm_eps};
    return {{"head_norm",
             {},
             {in_place(o.x), in(o.weight)},
             words_of(p),
             line_grid(divide_up(std::uint64_t{p.rows} * p.heads, invocations))}};
  }

  std::vector<KernelCall> operator()(const op::Embed& o) const {
    const Shape& image = shape(o.x);
    const params::Embed p = {.step = 0,
                             .rows = shape(o.y)[0] * shape(o.y)[1],
                             .inputs = shape(o.weight)[1],
                             .outputs = shape(o.weight)[0],
                             .has_bias = has(o.bias),
                             .tokens = shape(o.y)[1],
                             .batch = image[0],
                             .channels = image[1],
                             .height = image[2],
                             .width = image[3],
                             .patch_size = o.patch,
                             .window_size = o.window};
    return {{"embed" + suffix(o.weight),
             {p.inputs % 4 == 0, types_[o.position] == DType::f16, o.window > o.patch},
             {in(o.x), in(o.weight), optional(o.bias, o.weight), in(o.position), out(o.y)},
             words_of(p),
             tile_grid(p.outputs, p.rows)}};
  }

  std::vector<KernelCall> operator()(const op::ModulatedLinear& o) const {
    const params::ModulatedLinear p = {.step = 0,
                                       .rows = rows_of(o.x),
                                       .inputs = shape(o.weight)[1],
                                       .outputs = shape(o.weight)[0],
                                       .has_bias = has(o.bias),
                                       .tokens = shape(o.x)[1],
                                       .batch_rows = program_.shape.rows(),
                                       .columns = shape(o.modulation.table)[1],
                                       .shift = o.modulation.shift,
                                       .scale = o.modulation.scale,
                                       .activation = activation_number(o.activation)};
    return {norm_stats(o.x, o.norm),
            {"modulated_linear" + suffix(o.weight),
             {aligned(p.inputs, o.modulation)},
             modulated_operands(o.x, o.weight, o.bias, o.modulation.table, o.y),
             words_of(p),
             tile_grid(p.outputs, p.rows)}};
  }

  std::vector<KernelCall> operator()(const op::Attention& o) const {
    const Shape& y = shape(o.y);
    const std::uint32_t tokens = y[1], head_dim = y[2] / o.heads;
    expect(head_dim <= head_dim_limit, ErrorKind::unsupported,
           "op '{}': heads of {} values; Vulkan kernel serves up to {}", op_.label, head_dim, head_dim_limit);
    expect(tokens <= tokens_limit, ErrorKind::unsupported, "op '{}': {} tokens; Vulkan kernel serves up to {}",
           op_.label, tokens, tokens_limit);
    // Chosen so that queries, keys and scores fit in 16 KiB for every head size.
    const std::uint32_t queries = head_dim <= 128 ? 8 : 4;
    const std::uint32_t keys = head_dim <= 32 ? 64 : head_dim <= 64 ? 32 : head_dim <= 128 ? 16 : 8;
    const params::Attention p = {.step = 0,
                                 .tokens = tokens,
                                 .heads = o.heads,
                                 .norm_eps = o.norm_eps,
                                 .scale = 1.0f / std::sqrt(static_cast<float>(head_dim))};
    KernelCall call = {"attention",
                       {head_dim, queries, keys, has(o.q_norm)},
                       {in(o.qkv), optional(o.q_norm, o.qkv), optional(o.k_norm, o.qkv), out(o.y)},
                       words_of(p),
                       {divide_up(tokens, queries), o.heads, y[0]}};
    if (o.context != no_tensor) {
      const std::uint32_t conditions = program_.shape.conditions;
      call.kernel = "attention_context";
      call.operands.push_back(in(o.context));
      call.operands.push_back(in(Region::modulation_row));
      call.push = words_of(params::ContextAttention{.step = 0,
                                                    .tokens = p.tokens,
                                                    .heads = p.heads,
                                                    .norm_eps = p.norm_eps,
                                                    .scale = p.scale,
                                                    .context_keys = shape(o.context)[0] / conditions,
                                                    .conditions = conditions});
    }
    return {std::move(call)};
  }

  std::vector<KernelCall> operator()(const op::GatedLinearAdd& o) const {
    const params::GatedLinearAdd p = {.step = 0,
                                      .rows = rows_of(o.x),
                                      .inputs = shape(o.weight)[1],
                                      .outputs = shape(o.weight)[0],
                                      .has_bias = has(o.bias),
                                      .tokens = shape(o.x)[1],
                                      .batch_rows = program_.shape.rows(),
                                      .columns = shape(o.modulation.table)[1],
                                      .gate = o.modulation.gate};
    return {{"gated_linear_add" + suffix(o.weight),
             {p.inputs % 4 == 0},
             {in(o.x), in(o.weight), optional(o.bias, o.weight), in(o.modulation.table), in(Region::modulation_row),
              in_place(o.residual)},
             words_of(p),
             tile_grid(p.outputs, p.rows)}};
  }

  std::vector<KernelCall> operator()(const op::Final& o) const {
    const Shape& image = shape(o.y);
    const params::Final p = {.step = 0,
                             .rows = rows_of(o.x),
                             .inputs = shape(o.weight)[1],
                             .outputs = shape(o.weight)[0],
                             .has_bias = has(o.bias),
                             .tokens = shape(o.x)[1],
                             .batch_rows = program_.shape.rows(),
                             .columns = shape(o.modulation.table)[1],
                             .shift = o.modulation.shift,
                             .scale = o.modulation.scale,
                             .height = image[2],
                             .width = image[3],
                             .patch_size = o.patch};
    const bool overlap = o.window > o.patch;
    std::vector<KernelCall> calls = {norm_stats(o.x, o.norm),
                                     {"final" + suffix(o.weight),
                                      {aligned(p.inputs, o.modulation), overlap},
                                      modulated_operands(o.x, o.weight, o.bias, o.modulation.table, o.y),
                                      words_of(p),
                                      tile_grid(p.outputs, p.rows)}};
    if (overlap) {
      calls.back().operands.back() = {Region::windows, no_tensor, false, true};
      calls.push_back(overlap_add(o));
    }
    return calls;
  }

  std::vector<KernelCall> operator()(const op::Conv& o) const {
    const Shape &x = shape(o.x), &weight = shape(o.weight);
    const params::Conv p = {.step = 0,
                            .rows = x[2] * x[3],
                            .inputs = weight[1] * 9,
                            .outputs = weight[0],
                            .has_bias = has(o.bias),
                            .batch = program_.shape.batch,
                            .channels = x[1],
                            .height = x[2],
                            .width = x[3],
                            .activation = activation_number(o.activation),
                            .residual = o.residual};
    std::array<std::uint32_t, 3> groups = tile_grid(p.outputs, p.rows);
    groups[2] = x[0];
    return {{"conv" + suffix(o.weight),
             {p.inputs % 4 == 0},
             {in(o.x), in(o.weight), optional(o.bias, o.weight), optional(o.picture, o.x), out(o.y)},
             words_of(p),
             groups}};
  }

  std::vector<KernelCall> operator()(const op::Combine& o) const {
    const std::uint32_t elements = icon_elements(o.x);
    const params::Combine p = {
        .step = 0, .batch = program_.shape.batch, .elements = elements, .guided = program_.shape.guided ? 1u : 0u};
    return {{"combine",
             {},
             {in(o.prediction), in_place(o.x), in_place(o.history), in(Region::icons), in(Region::solver),
              in(Region::solver_row), in(Region::normal_table)},
             words_of(p),
             quad_grid(elements)}};
  }

  std::vector<KernelCall> operator()(const op::ToRgba& o) const {
    const Shape& image = shape(o.x);
    const params::ToRgba p = {.step = 0,
                              .batch = image[0],
                              .channels = image[1],
                              .pixels = image[2] * image[3],
                              .premultiplied = o.premultiplied ? 1u : 0u,
                              .round_down = o.rounding == Rounding::floor ? 1u : 0u};
    const std::uint32_t groups = divide_up(std::uint64_t{p.batch} * p.pixels, invocations);
    return {{"to_rgba", {}, {in(o.x), out(o.rgba)}, words_of(p), line_grid(groups)}};
  }

  std::vector<KernelCall> operator()(const op::Begin& o) const { return sketched("begin", o.x, o.premultiplied); }
  std::vector<KernelCall> operator()(const op::Hold& o) const { return sketched("hold", o.x, o.premultiplied); }

 private:
  const Shape& shape(TensorId id) const { return program_.tensor(id).shape; }
  /// Of the kernel's variant for the type of the weight, which placement.h lists.
  std::string suffix(TensorId weight) const {
    switch (types_[weight]) {
      case DType::f16:
        return "_f16";
      case DType::int8_g32:
        return "_q8";
      case DType::int4_g32:
        return "_q4";
      default:
        return "_f32";
    }
  }
  std::uint32_t rows_of(TensorId id) const { return shape(id)[0] * shape(id)[1]; }
  static std::uint32_t has(TensorId id) { return id == no_tensor ? 0 : 1; }
  /// Every binding needs a buffer, so an absent tensor is stood in for by another that the kernel will not read there.
  static Operand optional(TensorId id, TensorId stand_in) { return in(id == no_tensor ? stand_in : id); }

  std::uint32_t icon_elements(TensorId x) const {
    return static_cast<std::uint32_t>(element_count(shape(x)) / shape(x)[0]);
  }

  std::uint32_t aligned(std::uint32_t inputs, const op::Modulation& m) const {
    return (inputs | shape(m.table)[1] | m.shift | m.scale) % 4 == 0;
  }

  std::array<std::uint32_t, 3> quad_grid(std::uint32_t elements) const {
    return line_grid(divide_up(std::uint64_t{program_.shape.batch} * divide_up(elements, 4), invocations));
  }

  std::array<std::uint32_t, 3> tile_grid(std::uint32_t outputs, std::uint32_t rows) const {
    const std::array<std::uint32_t, 3> groups = {divide_up(outputs, gemm_tile), divide_up(rows, gemm_tile), 1};
    expect(groups[0] <= groups_a_line && groups[1] <= groups_a_line, ErrorKind::unsupported,
           "op '{}': product of {} x {} is larger than one dispatch", op_.label, rows, outputs);
    return groups;
  }

  std::vector<KernelCall> sketched(const char* kernel, TensorId x, bool premultiplied) const {
    const Shape& image = shape(x);
    const params::Sketched p = {.step = 0,
                                .batch = image[0],
                                .elements = icon_elements(x),
                                .pixels = image[2] * image[3],
                                .premultiplied = premultiplied ? 1u : 0u};
    return {{kernel,
             {},
             {in_place(x), in(Region::sketches), in(Region::icons), in(Region::solver), in(Region::solver_row),
              in(Region::normal_table)},
             words_of(p),
             quad_grid(p.elements)}};
  }

  KernelCall overlap_add(const op::Final& o) const {
    const Shape& image = shape(o.y);
    const params::OverlapAdd p = {.step = 0,
                                  .images = image[0],
                                  .channels = image[1],
                                  .height = image[2],
                                  .width = image[3],
                                  .patch_size = o.patch,
                                  .window_size = o.window};
    return {"overlap_add",
            {},
            {in(Region::windows), out(o.y)},
            words_of(p),
            line_grid(divide_up(element_count(image), invocations))};
  }

  KernelCall norm_stats(TensorId x, const Norm& norm) const {
    const params::NormStats p = {.step = 0,
                                 .rows = rows_of(x),
                                 .width = shape(x)[2],
                                 .eps = norm.eps,
                                 .eps_outside = norm.eps_outside ? 1u : 0u,
                                 .centred = norm.type == Norm::Type::layer ? 1u : 0u,
                                 .unbiased = norm.unbiased ? 1u : 0u};
    return {"norm_stats", {}, {in(x), {Region::row_stats, no_tensor, false, true}}, words_of(p), line_grid(p.rows)};
  }

  static std::vector<Operand> modulated_operands(TensorId x, TensorId weight, TensorId bias, TensorId table,
                                                 TensorId y) {
    return {in(x), in(weight), optional(bias, weight), in(Region::row_stats), in(table), in(Region::modulation_row),
            out(y)};
  }

  const Program& program_;
  const Op& op_;
  const std::vector<DType>& types_;
};

}  // namespace

std::vector<KernelCall> plain_calls(const Program& program, const Op& op, const std::vector<DType>& weight_types) {
  return std::visit(PlainCalls(program, op, weight_types), op.what);
}

}  // namespace dit::vulkan
