// SPDX-License-Identifier: MIT
#include "tests/reference/oracle.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "engine/network/noise.h"

namespace dit::reference {

struct OracleVisitor {
  Oracle& o;
  std::uint32_t index;

  const Shape& shape(TensorId id) const { return o.program_.tensor(id).shape; }
  const Values& optional(TensorId id) const {
    static const Values none;
    return id == no_tensor ? none : o.values_[id];
  }
  std::vector<std::uint32_t> rows() const {
    const std::size_t count = o.program_.shape.rows();
    const auto first = o.request_.modulation_row.begin() + static_cast<std::ptrdiff_t>(index * count);
    return {first, first + static_cast<std::ptrdiff_t>(count)};
  }
  std::uint32_t solver_row(std::size_t icon) const {
    return o.request_.solver_row[index * o.program_.shape.batch + icon];
  }
  double noise(std::size_t icon, std::uint32_t draw, std::size_t element) const {
    const IconPoint& point = o.request_.icons[icon];
    float from = 0, toward = 0;
    fill_normals(point.from.seed, point.from.index, draw, static_cast<std::uint32_t>(element), {&from, 1});
    if (point.blend == 0) return from;
    fill_normals(point.toward.seed, point.toward.index, draw, static_cast<std::uint32_t>(element), {&toward, 1});
    return std::cos(std::numbers::pi / 2 * point.blend) * from + std::sin(std::numbers::pi / 2 * point.blend) * toward;
  }
  /// norm(x)·(1+scale)+shift, W and bias applied.
  Values modulated_product(TensorId x, const op::Modulation& m, const Norm& kind, TensorId weight,
                           TensorId bias) const {
    const std::size_t dim = shape(x)[2];
    const auto picked = rows();
    const Table table{o.values_[m.table], shape(m.table)[1], picked};
    const Values modulated = modulate(norm(o.values_[x], dim, kind), table, m, dim);
    return linear(modulated, o.values_[weight], optional(bias), dim, shape(weight)[0]);
  }

  void operator()(const op::Noise& n) const {
    Values& x = o.values_[n.x];
    const std::size_t batch = shape(n.x)[0], pixels = x.size() / batch;
    for (std::size_t b = 0; b < batch; ++b) {
      if (solver_row(b) != 0) continue;
      for (std::size_t i = 0; i < pixels; ++i) x[b * pixels + i] = noise(b, 0, i);
    }
  }
  void operator()(const op::Linear& l) const {
    o.values_[l.y] = linear(o.values_[l.x], o.values_[l.weight], optional(l.bias), shape(l.x)[1], shape(l.y)[1]);
  }
  void operator()(const op::Embed& e) const {
    const Values patches = patchify(o.values_[e.x], shape(e.x), shape(e.y)[0], e.patch, e.window);
    Values y = linear(patches, o.values_[e.weight], optional(e.bias), shape(e.weight)[1], shape(e.weight)[0]);
    const Values& position = o.values_[e.position];
    for (std::size_t i = 0; i < y.size(); ++i) y[i] += position[i % position.size()];
    o.values_[e.y] = std::move(y);
  }
  void operator()(const op::ModulatedLinear& l) const {
    Values y = modulated_product(l.x, l.modulation, l.norm, l.weight, l.bias);
    for (double& value : y) value = activate(value, l.activation);
    o.values_[l.y] = std::move(y);
  }
  void operator()(const op::Attention& a) const {
    const Shape& y = shape(a.y);
    const std::uint32_t conditions = o.program_.shape.conditions;
    Prompts prompts = {optional(a.context), a.context == no_tensor ? 0 : shape(a.context)[0] / conditions, rows()};
    for (std::uint32_t& row : prompts.rows) row %= conditions;
    o.values_[a.y] = attention({.qkv = o.values_[a.qkv],
                                .q_norm = optional(a.q_norm),
                                .k_norm = optional(a.k_norm),
                                .eps = a.norm_eps,
                                .rows = y[0],
                                .tokens = y[1],
                                .heads = a.heads,
                                .head_dim = y[2] / a.heads,
                                .prompts = std::move(prompts)});
  }
  void operator()(const op::HeadNorm& n) const {
    Values& x = o.values_[n.x];
    const Values& weight = o.values_[n.weight];
    for (std::size_t row = 0; row < x.size(); row += shape(n.x)[1]) {
      const auto first = x.begin() + static_cast<std::ptrdiff_t>(row);
      const Values heads(first, first + static_cast<std::ptrdiff_t>(n.heads * weight.size()));
      std::ranges::copy(rms_norm(heads, weight, n.norm_eps), first);
    }
  }
  void operator()(const op::Conv& c) const {
    Shape image = shape(c.x);
    const std::size_t area = std::size_t{image[2]} * image[3], own = image[1] * area;
    const Values &x = o.values_[c.x], &picture = optional(c.picture);
    const std::size_t seen = picture.size() / o.program_.shape.batch;
    Values z;
    for (std::size_t r = 0; r < image[0]; ++r) {
      const auto copy = [&](const Values& from, std::size_t at, std::size_t count) {
        const auto first = from.begin() + static_cast<std::ptrdiff_t>(at);
        z.insert(z.end(), first, first + static_cast<std::ptrdiff_t>(count));
      };
      copy(x, r * own, own);
      copy(picture, r % o.program_.shape.batch * seen, seen);
    }
    image[1] += static_cast<std::uint32_t>(seen / area);
    Values y = conv(z, o.values_[c.weight], optional(c.bias), image, shape(c.y)[1]);
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = activate(y[i], c.activation) + (c.residual ? x[i] : 0);
    o.values_[c.y] = std::move(y);
  }
  void operator()(const op::GatedLinearAdd& g) const {
    const std::size_t dim = shape(g.residual)[2];
    const auto picked = rows();
    const Table table{o.values_[g.modulation.table], shape(g.modulation.table)[1], picked};
    const Values y = linear(o.values_[g.x], o.values_[g.weight], optional(g.bias), shape(g.x)[2], dim);
    gated_add(o.values_[g.residual], y, table, g.modulation, dim);
  }
  void operator()(const op::Final& f) const {
    o.values_[f.y] =
        unpatchify(modulated_product(f.x, f.modulation, f.norm, f.weight, f.bias), shape(f.y), f.patch, f.window);
  }
  void operator()(const op::Combine& c) const {
    for (std::size_t b = 0; b < o.program_.shape.batch; ++b) {
      const std::uint32_t row = solver_row(b);
      combine({.prediction = o.values_[c.prediction],
               .guided = o.program_.shape.guided,
               .batch = o.program_.shape.batch,
               .icon = b,
               .step = index,
               .row = o.request_.solver[row],
               .noise = [&](std::size_t element) { return noise(b, row + 1, element); }},
              o.values_[c.x], o.values_[c.history]);
    }
  }
  void operator()(const op::ToRgba& t) const {
    o.values_[t.rgba] = to_rgba(o.values_[t.x], shape(t.x), t.premultiplied, t.rounding);
  }
};

Oracle::Oracle(std::shared_ptr<const Weights> weights, Program program) : program_(std::move(program)) {
  for (const TensorInfo& tensor : program_.tensors) {
    values_.emplace_back(element_count(tensor.shape), 0.0);
    if (tensor.kind != TensorKind::weight) continue;
    const std::vector<float> floats = read_f32(weights->tensors.at(tensor.name));
    values_.back().assign(floats.begin(), floats.end());
  }
}

void Oracle::set_request(const Request& request) {
  request_ = request;
  values_[program_.condition].assign(request.condition.begin(), request.condition.end());
  if (program_.context != no_tensor) values_[program_.context].assign(request.context.begin(), request.context.end());
}

void Oracle::prepare() {
  for (const Op& op : program_.prepare) run(op.what, 0);
}

void Oracle::step(std::uint32_t index) {
  for (const Op& op : program_.step) run(op.what, index);
}

void Oracle::run(const AnyOp& op, std::uint32_t index) { std::visit(OracleVisitor{*this, index}, op); }

}  // namespace dit::reference
