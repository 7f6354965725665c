// SPDX-License-Identifier: MIT
#include "engine/network/recorder.h"

#include <algorithm>
#include <utility>

#include "engine/error.h"

namespace dit {
namespace {

/// Checks the tensors of one op against the program's shape letters.
class ShapeCheck {
 public:
  ShapeCheck(const Program& program, const std::string& label) : program_(program), label_(label) {}

  void operator()(const op::Noise& o) const { want("x", o.x, images(o.x, program_.shape.batch)); }

  void operator()(const op::Linear& o) const {
    apart(o.y, {o.x});
    const Shape x = shape("x", o.x, 2), y = shape("y", o.y, 2);
    want("y", o.y, {x[0], y[1]});
    product(o.weight, o.bias, y[1], x[1]);
  }

  void operator()(const op::HeadNorm& o) const {
    const Shape x = shape("x", o.x, 2), weight = shape("weight", o.weight, 1);
    expect(o.heads > 0 && std::uint64_t{o.heads} * weight[0] <= x[1], ErrorKind::wrong_format,
           "op '{}': {} heads of {} do not fit {} columns", label_, o.heads, weight[0], x[1]);
  }

  void operator()(const op::Embed& o) const {
    apart(o.y, {o.x});
    const Shape x = shape("x", o.x, 4), y = shape("y", o.y, 3);
    want("x", o.x, images(o.x, program_.shape.batch));
    want("y", o.y, {program_.shape.rows(), tokens(x, o.patch, o.window), y[2]});
    want("position", o.position, {y[1], y[2]});
    product(o.weight, o.bias, y[2], x[1] * o.window * o.window);
  }

  void operator()(const op::ModulatedLinear& o) const {
    apart(o.y, {o.x, o.modulation.table});
    const Shape x = shape("x", o.x, 3), y = shape("y", o.y, 3);
    want("y", o.y, {program_.shape.rows(), x[1], y[2]});
    want("x", o.x, {y[0], x[1], x[2]});
    norm(o.norm, x[2]);
    product(o.weight, o.bias, y[2], x[2]);
    modulation(o.modulation, std::max(o.modulation.shift, o.modulation.scale), x[2]);
  }

  void operator()(const op::Attention& o) const {
    apart(o.y, {o.qkv, o.context});
    const Shape y = shape("y", o.y, 3);
    expect(o.heads > 0 && y[2] % o.heads == 0, ErrorKind::wrong_format, "op '{}': {} channels for {} heads", label_,
           y[2], o.heads);
    want("qkv", o.qkv, {y[0], y[1], 3 * y[2]});
    expect((o.q_norm == no_tensor) == (o.k_norm == no_tensor), ErrorKind::wrong_format,
           "op '{}': q_norm and k_norm come together", label_);
    if (o.context != no_tensor) {
      const std::uint32_t rows = shape("context", o.context, 2)[0], conditions = program_.shape.conditions;
      expect(rows > 0 && rows % conditions == 0, ErrorKind::wrong_format,
             "op '{}': context: expected as many rows for each of {} conditions, found {}", label_, conditions, rows);
      want("context", o.context, {rows, 2 * y[2]});
    }
    if (o.q_norm == no_tensor) return;
    want("q_norm", o.q_norm, {y[2] / o.heads});
    want("k_norm", o.k_norm, {y[2] / o.heads});
  }

  void operator()(const op::GatedLinearAdd& o) const {
    apart(o.residual, {o.x, o.modulation.table});
    const Shape x = shape("x", o.x, 3), residual = shape("residual", o.residual, 3);
    want("x", o.x, {residual[0], residual[1], x[2]});
    product(o.weight, o.bias, residual[2], x[2]);
    const bool gated = o.modulation.gate != op::no_column;
    modulation(o.modulation, gated ? o.modulation.gate : 0, gated ? residual[2] : 0);
  }

  void operator()(const op::Final& o) const {
    apart(o.y, {o.x, o.modulation.table});
    const Shape x = shape("x", o.x, 3), y = shape("y", o.y, 4);
    want("y", o.y, images(o.y, program_.shape.rows()));
    want("x", o.x, {y[0], tokens(y, o.patch, o.window), x[2]});
    norm(o.norm, x[2]);
    product(o.weight, o.bias, y[1] * o.window * o.window, x[2]);
    modulation(o.modulation, std::max(o.modulation.shift, o.modulation.scale), x[2]);
  }

  void operator()(const op::Conv& o) const {
    apart(o.y, {o.x, o.picture});
    const Shape x = shape("x", o.x, 4), y = shape("y", o.y, 4);
    want("x", o.x, {program_.shape.rows(), x[1], y[2], y[3]});
    want("y", o.y, images(o.y, program_.shape.rows()));
    std::uint32_t channels = x[1];
    if (o.picture != no_tensor) {
      channels += shape("picture", o.picture, 4)[1];
      want("picture", o.picture, {program_.shape.batch, channels - x[1], y[2], y[3]});
    }
    want("weight", o.weight, {y[1], channels, 3, 3});
    if (o.bias != no_tensor) want("bias", o.bias, {y[1]});
    expect(!o.residual || x[1] == y[1], ErrorKind::wrong_format,
           "op '{}': residual: expected as many channels in as out, found {} and {}", label_, x[1], y[1]);
  }

  void operator()(const op::Combine& o) const {
    apart(o.x, {o.prediction, o.history});
    const Shape x = images(o.x, program_.shape.batch);
    want("x", o.x, x);
    want("prediction", o.prediction, images(o.x, program_.shape.rows()));
    want("history", o.history, {4, x[0], x[1], x[2], x[3]});
  }

  void operator()(const op::ToRgba& o) const {
    const Shape x = images(o.x, program_.shape.batch);
    want("x", o.x, x);
    want("rgba", o.rgba, {x[0], x[2], x[3], 4});
    channels(x, o.premultiplied);
  }

  void operator()(const op::Begin& o) const { sketched(o.x, o.premultiplied); }
  void operator()(const op::Hold& o) const { sketched(o.x, o.premultiplied); }

 private:
  void channels(const Shape& image, bool premultiplied) const {
    expect(image[1] == (premultiplied ? 4u : 3u), ErrorKind::wrong_format, "op '{}': {} channels", label_, image[1]);
  }

  void sketched(TensorId x, bool premultiplied) const {
    const Shape image = images(x, program_.shape.batch);
    want("x", x, image);
    channels(image, premultiplied);
    expect(program_.shape.sketches, ErrorKind::wrong_format, "op '{}': expected a shape with sketches", label_);
  }

  /// Kernels read their inputs while they write their output.
  void apart(TensorId output, std::initializer_list<TensorId> inputs) const {
    for (const TensorId input : inputs) {
      expect(input != output || input >= program_.tensors.size(), ErrorKind::wrong_format,
             "op '{}': '{}' is input and output", label_, program_.tensors[output].name);
    }
  }

  Shape shape(const char* what, TensorId id, std::size_t rank) const {
    expect(id < program_.tensors.size(), ErrorKind::wrong_format, "op '{}': {} is not a recorded tensor", label_, what);
    const Shape& found = program_.tensors[id].shape;
    expect(found.size() == rank, ErrorKind::wrong_format, "op '{}': {}: expected rank {}, found {}", label_, what, rank,
           to_string(found));
    return found;
  }

  void want(const char* what, TensorId id, const Shape& expected) const {
    const Shape found = shape(what, id, expected.size());
    expect(found == expected, ErrorKind::wrong_format, "op '{}': {} '{}': expected {}, found {}", label_, what,
           program_.tensors[id].name, to_string(expected), to_string(found));
  }

  /// The image shape of tensor `id` with its first dimension replaced.
  Shape images(TensorId id, std::uint32_t count) const {
    Shape result = shape("image", id, 4);
    result[0] = count;
    return result;
  }

  std::uint32_t tokens(const Shape& image, std::uint32_t patch, std::uint32_t window) const {
    expect(window >= patch && (window - patch) % 2 == 0, ErrorKind::wrong_format,
           "op '{}': window: expected {} pixels or more by an even number, found {}", label_, patch, window);
    expect(patch > 0 && image[2] % patch == 0 && image[3] % patch == 0, ErrorKind::wrong_format,
           "op '{}': image {} is not a multiple of patch {}", label_, to_string(image), patch);
    return (image[2] / patch) * (image[3] / patch);
  }

  void norm(const Norm& norm, std::uint32_t width) const {
    expect(!norm.unbiased || (norm.type == Norm::Type::layer && width > 1), ErrorKind::wrong_format,
           "op '{}': the unbiased deviation needs a layer norm over more than one value", label_);
  }

  void product(TensorId weight, TensorId bias, std::uint32_t out, std::uint32_t in) const {
    want("weight", weight, {out, in});
    if (bias != no_tensor) want("bias", bias, {out});
  }

  void modulation(const op::Modulation& m, std::uint32_t last, std::uint32_t width) const {
    const Shape table = shape("modulation", m.table, 2);
    const std::uint32_t rows = program_.shape.steps * program_.shape.conditions;
    expect(table[0] == rows && last + width <= table[1], ErrorKind::wrong_format,
           "op '{}': modulation '{}': expected [{}, at least {}], found {}", label_, program_.tensors[m.table].name,
           rows, last + width, to_string(table));
  }

  const Program& program_;
  const std::string& label_;
};

}  // namespace

const char* kernel_name(const AnyOp& op) noexcept {
  static constexpr const char* names[] = {
      "noise",   "linear",  "head_norm", "embed", "modulated_linear", "attention", "gated_linear_add", "final", "conv",
      "combine", "to_rgba", "begin",     "hold"};
  static_assert(std::size(names) == std::variant_size_v<AnyOp>);
  return names[op.index()];
}

TensorId output_of(const AnyOp& op) noexcept {
  struct Output {
    TensorId operator()(const op::Noise& o) const { return o.x; }
    TensorId operator()(const op::Linear& o) const { return o.y; }
    TensorId operator()(const op::HeadNorm& o) const { return o.x; }
    TensorId operator()(const op::Embed& o) const { return o.y; }
    TensorId operator()(const op::ModulatedLinear& o) const { return o.y; }
    TensorId operator()(const op::Attention& o) const { return o.y; }
    TensorId operator()(const op::GatedLinearAdd& o) const { return o.residual; }
    TensorId operator()(const op::Final& o) const { return o.y; }
    TensorId operator()(const op::Conv& o) const { return o.y; }
    TensorId operator()(const op::Combine& o) const { return o.x; }
    TensorId operator()(const op::ToRgba& o) const { return o.rgba; }
    TensorId operator()(const op::Begin& o) const { return o.x; }
    TensorId operator()(const op::Hold& o) const { return o.x; }
  };
  return std::visit(Output{}, op);
}

TensorId Recorder::tensor(const std::string& name, TensorKind kind, Shape shape) {
  for (TensorId id = 0; id < program_.tensors.size(); ++id) {
    const TensorInfo& known = program_.tensors[id];
    if (known.name != name || known.kind != kind) continue;
    expect(known.shape == shape, ErrorKind::wrong_format, "tensor '{}': recorded as {}, then as {}", name,
           to_string(known.shape), to_string(shape));
    return id;
  }
  program_.tensors.push_back({name, kind, std::move(shape)});
  return static_cast<TensorId>(program_.tensors.size() - 1);
}

TensorId Recorder::weight(const std::string& name, Shape shape) {
  return tensor(name, TensorKind::weight, std::move(shape));
}

TensorId Recorder::activation(const std::string& name, Shape shape) {
  return tensor(name, TensorKind::activation, std::move(shape));
}

TensorId Recorder::rgba(const std::string& name, Shape shape) {
  return tensor(name, TensorKind::rgba, std::move(shape));
}

void Recorder::prepare(std::string label, AnyOp op) {
  std::visit(ShapeCheck(program_, label), op);
  program_.prepare.push_back({std::move(label), op});
}

void Recorder::step(std::string label, AnyOp op) {
  std::visit(ShapeCheck(program_, label), op);
  program_.step.push_back({std::move(label), op});
}

std::uint64_t flop_count(const Program& program, const std::vector<Op>& ops) {
  const auto count = [&program](TensorId id) { return element_count(program.tensor(id).shape); };
  // Rows of the lhs (or of what is as long) times the elements of the weight, two operations each.
  const auto product = [&](TensorId weight, TensorId lhs) {
    const Shape& shape = program.tensor(lhs).shape;
    return 2 * count(weight) * (shape.size() == 2 ? shape[0] : std::uint64_t{shape[0]} * shape[1]);
  };
  struct Flops {
    decltype(count)& elements;
    decltype(product)& matrix;
    const Program& program;
    std::uint64_t operator()(const op::Linear& o) const { return matrix(o.weight, o.x); }
    std::uint64_t operator()(const op::Embed& o) const { return matrix(o.weight, o.y); }
    std::uint64_t operator()(const op::ModulatedLinear& o) const { return matrix(o.weight, o.x); }
    std::uint64_t operator()(const op::GatedLinearAdd& o) const { return matrix(o.weight, o.x); }
    std::uint64_t operator()(const op::Final& o) const { return matrix(o.weight, o.x); }
    std::uint64_t operator()(const op::Attention& o) const {
      std::uint64_t keys = program.tensor(o.y).shape[1];
      if (o.context != no_tensor) keys += program.tensor(o.context).shape[0] / program.shape.conditions;
      return 4 * elements(o.y) * keys;
    }
    std::uint64_t operator()(const op::Conv& o) const {
      const Shape& y = program.tensor(o.y).shape;
      return 2 * elements(o.weight) * y[0] * y[2] * y[3];
    }
    std::uint64_t operator()(const op::HeadNorm&) const { return 0; }
    std::uint64_t operator()(const op::Noise&) const { return 0; }
    std::uint64_t operator()(const op::Combine&) const { return 0; }
    std::uint64_t operator()(const op::ToRgba&) const { return 0; }
    std::uint64_t operator()(const op::Begin&) const { return 0; }
    std::uint64_t operator()(const op::Hold&) const { return 0; }
  };
  std::uint64_t total = 0;
  for (const Op& op : ops) total += std::visit(Flops{count, product, program}, op.what);
  return total;
}

}  // namespace dit
