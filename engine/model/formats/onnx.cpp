// SPDX-License-Identifier: MIT
#include "engine/model/formats/onnx.h"

#include <cstring>
#include <iterator>
#include <limits>
#include <utility>

#include "engine/error.h"

namespace dit::onnx {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::uint32_t model_graph = 7, graph_initializer = 5;
constexpr std::uint32_t tensor_dims = 1, tensor_type = 2, tensor_float_data = 4, tensor_name = 8, tensor_raw_data = 9,
                        tensor_double_data = 10;
constexpr std::size_t rank_limit = 32;

struct Type {
  const char* name;
  std::optional<DType> dtype;
};

// In the order of TensorProto.DataType.
constexpr Type types[] = {{"undefined", {}},
                          {"f32", DType::f32},
                          {"u8", DType::u8},
                          {"i8", DType::i8},
                          {"u16", DType::u16},
                          {"i16", DType::i16},
                          {"i32", DType::i32},
                          {"i64", DType::i64},
                          {"string", {}},
                          {"bool", DType::boolean},
                          {"f16", DType::f16},
                          {"f64", DType::f64},
                          {"u32", DType::u32},
                          {"u64", DType::u64},
                          {"complex64", {}},
                          {"complex128", {}},
                          {"bf16", DType::bf16},
                          {"f8e4m3fn", {}},
                          {"f8e4m3fnuz", {}},
                          {"f8e5m2", {}},
                          {"f8e5m2fnuz", {}},
                          {"u4", {}},
                          {"i4", {}},
                          {"f4e2m1", {}}};

/// One field of a message: a number, or bytes.
struct Field {
  std::uint32_t number = 0;
  bool is_bytes = false;
  std::uint64_t value = 0;
  Bytes bytes;
};

/// Reads the fields of one message.
class Message {
 public:
  Message(Bytes bytes, const std::string& file) : rest_(bytes), file_(file) {}

  bool next(Field& field) {
    if (rest_.empty()) return false;
    const std::uint64_t tag = varint();
    field = {static_cast<std::uint32_t>(tag >> 3), false, 0, {}};
    expect(tag >> 3 != 0 && tag >> 3 < 1u << 29, ErrorKind::wrong_format, "weights '{}': expected an ONNX file", file_);
    switch (tag & 7) {
      case 0:
        field.value = varint();
        return true;
      case 1:
        take(8);
        return true;
      case 2:
        field.is_bytes = true;
        field.bytes = take(varint());
        return true;
      case 5:
        take(4);
        return true;
      default:  // groups went out of use before ONNX came
        fail(ErrorKind::wrong_format, "weights '{}': expected an ONNX file, found wire type {}", file_, tag & 7);
    }
  }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = std::to_integer<std::uint64_t>(take(1)[0]);
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
    fail(ErrorKind::wrong_format, "weights '{}': expected a number of at most ten bytes", file_);
  }
  bool done() const { return rest_.empty(); }

 private:
  Bytes take(std::uint64_t count) {
    expect(count <= rest_.size(), ErrorKind::wrong_format, "weights '{}': expected {} more bytes, found {}", file_,
           count, rest_.size());
    const Bytes taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }

  Bytes rest_;
  const std::string& file_;
};

void add_dimension(Shape& shape, std::uint64_t size, const std::string& file) {
  expect(size <= std::numeric_limits<std::uint32_t>::max(), ErrorKind::wrong_format,
         "weights '{}': a dimension of {} is over 32 bits", file, size);
  expect(shape.size() < rank_limit, ErrorKind::wrong_format, "weights '{}': expected at most {} dimensions", file,
         rank_limit);
  shape.push_back(static_cast<std::uint32_t>(size));
}

/// Whether `bytes` are exactly the elements of the shape.
bool holds(DType dtype, const Shape& shape, Bytes bytes) {
  std::uint64_t count = size_of(dtype);
  for (const std::uint32_t size : shape) {
    if (size != 0 && count > bytes.size() / size) return false;
    count *= size;
  }
  return count == bytes.size();
}

Initialiser read_tensor(Bytes bytes, const std::string& file) {
  Initialiser tensor;
  std::uint64_t type = 0;
  Bytes data;
  Message message(bytes, file);
  for (Field field; message.next(field);) {
    switch (field.number) {
      case tensor_dims:
        if (field.is_bytes) {
          Message packed(field.bytes, file);
          while (!packed.done()) add_dimension(tensor.shape, packed.varint(), file);
        } else {
          add_dimension(tensor.shape, field.value, file);
        }
        break;
      case tensor_type:
        type = field.value;
        break;
      case tensor_name:
        tensor.name.assign(reinterpret_cast<const char*>(field.bytes.data()), field.bytes.size());
        break;
      case tensor_float_data:
      case tensor_double_data:
      case tensor_raw_data:
        data = field.bytes;  // packed floats are laid out as raw data is
        break;
      default:
        break;
    }
  }
  tensor.type = type < std::size(types) ? types[type].name : fmt::format("type {}", type);
  const std::optional<DType> dtype = type < std::size(types) ? types[type].dtype : std::nullopt;
  if (dtype && holds(*dtype, tensor.shape, data)) tensor.view = {tensor.name, *dtype, tensor.shape, data, {}};
  return tensor;
}

}  // namespace

std::vector<Initialiser> initialisers(std::span<const std::byte> bytes, const std::string& name) {
  expect(!bytes.empty(), ErrorKind::wrong_format, "weights '{}': expected an ONNX file, found 0 bytes", name);
  std::vector<Initialiser> found;
  bool has_graph = false;
  Message model(bytes, name);
  for (Field part; model.next(part);) {
    if (part.number != model_graph || !part.is_bytes) continue;
    has_graph = true;
    Message graph(part.bytes, name);
    for (Field field; graph.next(field);) {
      if (field.number == graph_initializer && field.is_bytes) found.push_back(read_tensor(field.bytes, name));
    }
  }
  expect(has_graph, ErrorKind::wrong_format, "weights '{}': expected an ONNX file with a graph, found none", name);
  return found;
}

std::shared_ptr<const Weights> parse(std::span<const std::byte> bytes, const std::string& name,
                                     std::shared_ptr<const void> owner) {
  auto weights = std::make_shared<Weights>();
  weights->owner = std::move(owner);
  weights->file_bytes = bytes.size();
  for (const Initialiser& tensor : initialisers(bytes, name)) {
    if (!tensor.view) continue;
    expect(weights->tensors.emplace(tensor.name, *tensor.view).second, ErrorKind::wrong_format,
           "weights '{}': initialiser '{}' is there twice", name, tensor.name);
  }
  return weights;
}

}  // namespace dit::onnx
