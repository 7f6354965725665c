// SPDX-License-Identifier: MIT
// The op vocabulary that dit.cpp speaks. An executor turns the recorded Program into host loops or GPU dispatches;
// how ops are fused there is its own business.
//
// Letters: B batch (icons), R rows = B, or 2B with guidance (conditional rows first), K conditions, S steps, T tokens,
// D dim, N heads, A = N·head size, C channels, H W pixels, P patch, V window ≥ P, M rows of a modulation table = S·K,
// L rows of the prompt.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "engine/model/model.h"
#include "engine/model/weights.h"

namespace dit {

using TensorId = std::uint32_t;
/// Stands for an absent optional tensor (a bias, a q/k-norm weight).
inline constexpr TensorId no_tensor = UINT32_MAX;

enum class TensorKind {
  weight,      ///< read only, from the model file, f32 or f16
  activation,  ///< f32, owned by the plan
  rgba,        ///< u8, straight alpha, owned by the plan, readable by the host
};

struct TensorInfo {
  std::string name;
  TensorKind kind = TensorKind::activation;
  Shape shape;
};

namespace op {

/// Stands for an absent gate, which is 1.
inline constexpr std::uint32_t no_column = UINT32_MAX;

/// Columns of a modulation table [M, columns]: row r of the batch reads table row Request::modulation_row[step, r].
struct Modulation {
  TensorId table = no_tensor;
  std::uint32_t shift = 0;  ///< first column of D values
  std::uint32_t scale = 0;  ///< first column of D values
  std::uint32_t gate = 0;   ///< first column of D values, or no_column
};

/// x[b] = normals(seed_b, index_b, draw 0) for each icon b whose solver row at this step is 0; other icons keep theirs.
struct Noise {
  TensorId x;  ///< [B,C,H,W]
};

/// y = x Wᵀ + bias.
struct Linear {
  TensorId x;       ///< [M,I]
  TensorId weight;  ///< [O,I]
  TensorId bias;    ///< [O] or no_tensor
  TensorId y;       ///< [M,O]
};

/// x·weight/√(mean(x²)+eps) per head over the first A columns, in place; the columns after them stay as they are.
struct HeadNorm {
  TensorId x;       ///< [M,A or more]
  TensorId weight;  ///< [A/N]
  float norm_eps;
  std::uint32_t heads;
};

/// y = windows(x) Wᵀ + bias + position. Token = gy·(W/P)+gx, feature = c·V²+wy·V+wx, row r reads icon r mod B.
/// A window is V×V pixels centred on the token's P×P, its first pixel (V−P)/2 up and left of theirs, zero outside the
/// image: a convolution of kernel V, stride P and padding (V−P)/2. V = P is the usual patch.
struct Embed {
  TensorId x;         ///< [B,C,H,W]
  TensorId weight;    ///< [D,C·V·V]
  TensorId bias;      ///< [D] or no_tensor
  TensorId position;  ///< [T,D]
  TensorId y;         ///< [R,T,D]
  std::uint32_t patch;
  std::uint32_t window;  ///< at least patch, and larger by an even number
};

/// y = act((norm(x)·(1+scale)+shift) Wᵀ + bias).
struct ModulatedLinear {
  TensorId x;  ///< [R,T,D]
  Modulation modulation;
  Norm norm;
  TensorId weight;  ///< [O,D]
  TensorId bias;    ///< [O] or no_tensor
  Activation activation;
  TensorId y;  ///< [R,T,O]
};

/// y = softmax(q kᵀ/√(A/N)) v per head, no mask; column of qkv = (0 q | 1 k | 2 v)·A + head·A/N + d. q and k are first
/// RMS-normed over their head when weights are given: q·weight/√(mean(q²)+eps).
/// With a context its L keys and values follow the T of qkv as they are, unnormed: column = (0 k | 1 v)·A + head·A/N +
/// d. Row r of the batch reads those of condition Request::modulation_row[step, r] mod K, rows k·L to k·L + L − 1.
struct Attention {
  TensorId qkv;     ///< [R,T,3·A]
  TensorId q_norm;  ///< [A/N] or no_tensor
  TensorId k_norm;  ///< [A/N] or no_tensor
  float norm_eps;
  std::uint32_t heads;
  TensorId y;                    ///< [R,T,A]
  TensorId context = no_tensor;  ///< [K·L,2·A] or no_tensor
};

/// residual += gate · (x Wᵀ + bias), in place.
struct GatedLinearAdd {
  TensorId x;       ///< [R,T,I]
  TensorId weight;  ///< [D,I]
  TensorId bias;    ///< [D] or no_tensor
  Modulation modulation;
  TensorId residual;  ///< [R,T,D]
};

/// y = Σ windows of (norm(x)·(1+scale)+shift) Wᵀ + bias: each token's V×V pixels, placed as in Embed, are added into
/// the image in the order of the tokens, and what falls outside is dropped: a transposed convolution of kernel V,
/// stride P and padding (V−P)/2, but with the bias in every window.
struct Final {
  TensorId x;  ///< [R,T,D]
  Modulation modulation;
  Norm norm;
  TensorId weight;  ///< [C·V·V,D]
  TensorId bias;    ///< [C·V·V] or no_tensor
  std::uint32_t patch;
  std::uint32_t window;  ///< at least patch, and larger by an even number
  TensorId y;            ///< [R,C,H,W]
};

/// y = act(w ∗ z + bias), or x + that where residual; z = x and after its channels those of the picture. 3×3, stride 1,
/// one pixel of zeros around; row r reads picture r mod B.
struct Conv {
  TensorId x;        ///< [R,F,H,W]
  TensorId picture;  ///< [B,C,H,W] or no_tensor
  TensorId weight;   ///< [O,F+C,3,3]
  TensorId bias;     ///< [O] or no_tensor
  Activation activation;
  bool residual;  ///< O = F then
  TensorId y;     ///< [R,O,H,W]
};

/// One solver step, icon b with its SolverRow w (solver.h), e = prediction:
///   e' = w.guidance·e[b] + (1−w.guidance)·e[B+b]   (e[b] without guidance rows)
///   d0 = w.from_x·x + w.from_e·e'                  stored in history entry step mod 4
///   x  ← w.a·x + Σᵢ w.b[i]·dᵢ + w.c·z              dᵢ = history entry (step − i) mod 4
/// z = normals(draw = solver row + 1 − w.first).
/// A term whose coefficient is 0 is not read, so that stale history (even NaN) never leaks in.
struct Combine {
  TensorId prediction;  ///< [R,C,H,W]
  TensorId x;           ///< [B,C,H,W], in place
  TensorId history;     ///< [4,B,C,H,W]
};

/// x in −1…1 to bytes, straight alpha. v = clamp((x+1)/2, 0, 1).
/// premultiplied: a = v_a, colour = min(v_c, a)/a; all four bytes are 0 where the alpha byte is 0. otherwise alpha =
/// 255. bytes = ⌊255·v + ½⌋, or ⌊255·v⌋ where rounding is floor.
struct ToRgba {
  TensorId x;     ///< [B,C,H,W]
  TensorId rgba;  ///< [B,H,W,4] u8
  bool premultiplied;
  Rounding rounding = Rounding::nearest;
};

/// For each icon b whose solver row w at this step is its first (w.first):
///   x[b] = w.before_alpha·s + w.before_sigma·z     s = its sketch in −1…1, z = normals(draw 0)
/// Other icons keep theirs. In place of Noise where icons may begin with a sketch; see SketchMix of sketch.h.
struct Begin {
  TensorId x;          ///< [B,C,H,W]
  bool premultiplied;  ///< whether s is colour · alpha
};

/// Icon b by its solver row w at this step, m = its mask / 255:
///   x[b] ← m·x + (1−m)·(w.after_alpha·s + w.after_sigma·z)     as in Begin
/// Nothing is read where m is 1, and x is not where m is 0.
struct Hold {
  TensorId x;  ///< [B,C,H,W], in place
  bool premultiplied;
};

}  // namespace op

using AnyOp = std::variant<op::Noise, op::Linear, op::HeadNorm, op::Embed, op::ModulatedLinear, op::Attention,
                           op::GatedLinearAdd, op::Final, op::Conv, op::Combine, op::ToRgba, op::Begin, op::Hold>;

/// An op and the name it carries everywhere: capture, debug label, benchmark row, error text.
struct Op {
  std::string label;  ///< e.g. "blocks.3.attn.qkv"
  AnyOp what;
};

/// The kernel's name, e.g. "modulated_linear".
const char* kernel_name(const AnyOp& op) noexcept;
/// The tensor that the op writes.
TensorId output_of(const AnyOp& op) noexcept;

/// What fixes a plan; anything else is data in the Request.
struct PlanShape {
  std::uint32_t batch = 1;       ///< icons rendered together
  std::uint32_t conditions = 1;  ///< distinct condition vectors a step
  std::uint32_t steps = 1;       ///< most rows of the solver table, and most steps of a run
  bool guided = false;           ///< a second, unconditional row per icon
  bool sketches = false;         ///< icons may begin with a sketch
  bool masks = false;            ///< and some of it may be held; with sketches only

  std::uint32_t rows() const noexcept { return guided ? 2 * batch : batch; }
  bool operator==(const PlanShape&) const = default;
};

/// The recorded network.
struct Program {
  PlanShape shape;
  std::vector<TensorInfo> tensors;  ///< indexed by TensorId
  std::vector<Op> prepare;          ///< once per new condition
  std::vector<Op> step;             ///< once per step
  TensorId condition = no_tensor;   ///< [S·K,cond_dim], filled from Request::condition
  TensorId context = no_tensor;     ///< [K·L,cond_dim], filled from Request::context; or no_tensor
  TensorId x = no_tensor;           ///< [B,C,H,W]
  TensorId rgba = no_tensor;        ///< [B,H,W,4]

  const TensorInfo& tensor(TensorId id) const { return tensors.at(id); }
};

/// Collects tensors and ops; checks the shapes of every op as it is added.
/// errors  add() throws Error{wrong_format} naming the op, what was expected and what was found
class Recorder {
 public:
  explicit Recorder(PlanShape shape) { program_.shape = shape; }

  /// The same name gives the same id; a second call must ask for the same shape.
  TensorId weight(const std::string& name, Shape shape);
  TensorId activation(const std::string& name, Shape shape);
  TensorId rgba(const std::string& name, Shape shape);

  void prepare(std::string label, AnyOp op);
  void step(std::string label, AnyOp op);

  void set_condition(TensorId id) { program_.condition = id; }
  void set_context(TensorId id) { program_.context = id; }
  void set_x(TensorId id) { program_.x = id; }
  void set_rgba(TensorId id) { program_.rgba = id; }

  Program finish() { return std::move(program_); }

 private:
  TensorId tensor(const std::string& name, TensorKind kind, Shape shape);

  Program program_;
};

/// Multiply-adds counted as two, per run of the list; matrix products, convolutions and attention only.
std::uint64_t flop_count(const Program& program, const std::vector<Op>& ops);

}  // namespace dit
