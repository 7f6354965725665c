// SPDX-License-Identifier: MIT
// The initialisers of an ONNX model: name, type, shape and data. A walk over the protocol buffers' wire format, because
// that is all there is to do: libprotobuf would need ONNX's schema compiled in for three of its hundreds of fields.
// source: onnx.proto (ModelProto.graph = 7, GraphProto.initializer = 5, TensorProto), protobuf's encoding description
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/model/weights.h"

namespace dit::onnx {

struct Initialiser {
  std::string name;
  std::string type;  ///< "f32", "string", "f8e4m3fn", ...
  Shape shape;
  std::optional<WeightView> view;  ///< the values, where they lie in the file as an array of a type that we have
  std::uint64_t bytes = 0;         ///< of values in the file
  std::string problem;             ///< why there is no view
};

/// In the order of the file. Views borrow `bytes`; `name` stands for the file in error texts.
/// errors  wrong_format. Never reads outside the bytes and never allocates more than their size justifies
std::vector<Initialiser> initialisers(const Bytes& bytes, const std::string& name);

/// The same as Weights; those without a view are foreign.
/// errors  wrong_format, also when two have the same name
std::shared_ptr<const Weights> parse(const Bytes& bytes, const std::string& name, std::shared_ptr<const void> owner);

}  // namespace dit::onnx
