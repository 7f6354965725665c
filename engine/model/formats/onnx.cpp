// SPDX-License-Identifier: MIT
#include "engine/model/formats/onnx.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <limits>
#include <utility>

#include "engine/error.h"
#include "engine/model/formats/cursor.h"

namespace dit::onnx {
namespace {

// Numbers of fields.
constexpr std::uint32_t model_graph = 7, graph_initializer = 5, graph_sparse_initializer = 15;
constexpr std::uint32_t sparse_values = 1, sparse_dims = 3;
constexpr std::uint32_t tensor_dims = 1, tensor_type = 2, tensor_name = 8, tensor_raw_data = 9, tensor_external = 13,
                        tensor_location = 14;
constexpr std::size_t rank_limit = 32, most_name = 65535;

/// The fields of TensorProto that hold values one by one, and the type whose values lie there as an array does.
struct List {
  std::uint32_t field;
  const char* name;
  std::optional<DType> dtype;
};
constexpr List lists[] = {{4, "float_data", DType::f32}, {5, "int32_data", {}},           {6, "string_data", {}},
                          {7, "int64_data", {}},         {10, "double_data", DType::f64}, {11, "uint64_data", {}}};

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

/// Reads the fields of one message. Bytes are passed over, not read.
class Message {
 public:
  Message(const Bytes& bytes, const std::string& file) : cursor_(bytes, file), file_(file) {}

  bool next(Field& field) {
    if (done()) return false;
    const std::uint64_t tag = varint();
    field = {static_cast<std::uint32_t>(tag >> 3), false, 0, {}};
    expect(tag >> 3 != 0 && tag >> 3 < 1u << 29, ErrorKind::wrong_format, "weights '{}': expected an ONNX file", file_);
    switch (tag & 7) {
      case 0:
        field.value = varint();
        return true;
      case 1:
        take(8, field);
        return true;
      case 2:
        take(varint(), field);
        field.is_bytes = true;
        return true;
      case 5:
        take(4, field);
        return true;
      default:  // groups went out of use before ONNX came
        fail(ErrorKind::wrong_format, "weights '{}': expected an ONNX file, found wire type {}", file_, tag & 7);
    }
  }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = cursor_.number<std::uint8_t>("ONNX field");
      value |= (std::uint64_t{byte} & 127) << shift;
      if (byte < 128) return value;
    }
    fail(ErrorKind::wrong_format, "weights '{}': expected a number of at most ten bytes", file_);
  }
  bool done() const { return cursor_.remaining() == 0; }

 private:
  void take(std::uint64_t count, Field& field) {
    expect(count <= cursor_.remaining(), ErrorKind::wrong_format, "weights '{}': expected {} more bytes, found {}",
           file_, count, cursor_.remaining());
    field.bytes = cursor_.skip(count, "ONNX field");
  }

  Cursor cursor_;
  const std::string& file_;
};

void add_dimension(Shape& shape, std::uint64_t size, const std::string& file) {
  expect(size <= std::numeric_limits<std::uint32_t>::max(), ErrorKind::wrong_format,
         "weights '{}': a dimension of {} is over 32 bits", file, size);
  expect(shape.size() < rank_limit, ErrorKind::wrong_format, "weights '{}': expected at most {} dimensions", file,
         rank_limit);
  shape.push_back(static_cast<std::uint32_t>(size));
}

void add_dimensions(Shape& shape, const Field& field, const std::string& file) {
  if (!field.is_bytes) return add_dimension(shape, field.value, file);
  Message packed(field.bytes, file);
  while (!packed.done()) add_dimension(shape, packed.varint(), file);
}

/// Whether `bytes` are exactly the elements of the shape.
bool holds(DType dtype, const Shape& shape, const Bytes& bytes) {
  std::uint64_t count = size_of(dtype);
  for (const std::uint32_t size : shape) {
    if (size != 0 && count > bytes.size() / size) return false;
    count *= size;
  }
  return count == bytes.size();
}

std::string text_of(const Field& field, const std::string& file) {
  expect(field.bytes.size() <= most_name, ErrorKind::wrong_format,
         "weights '{}': a name: expected at most {} bytes, found {}", file, most_name, field.bytes.size());
  const auto chars = field.bytes.read();
  return {reinterpret_cast<const char*>(chars.data()), chars.size()};
}

/// A TensorProto as it is read.
class Tensor {
 public:
  Tensor(const Bytes& bytes, const std::string& file) : file_(file) {
    Message message(bytes, file);
    for (Field field; message.next(field);) add(field);
  }

  Initialiser finish() {
    read_.type = type_ < std::size(types) ? types[type_].name : fmt::format("type {}", type_);
    read_.bytes = data_.size();
    read_.problem = problem();
    if (read_.problem.empty()) read_.view = {read_.name, *types[type_].dtype, read_.shape, data_, {}};
    return std::move(read_);
  }

 private:
  void add(const Field& field) {
    const auto list = std::ranges::find(lists, field.number, &List::field);
    if (list != std::end(lists)) {
      list_ = list;
      add_data(field, list->name);
    } else if (field.number == tensor_raw_data) {
      add_data(field, "raw_data");
    } else if (field.number == tensor_dims) {
      add_dimensions(read_.shape, field, file_);
    } else if (field.number == tensor_type) {
      type_ = field.value;
    } else if (field.number == tensor_name) {
      read_.name = text_of(field, file_);
    } else if (field.number == tensor_external || (field.number == tensor_location && field.value != 0)) {
      elsewhere_ = true;
    }
  }
  void add_data(const Field& field, const char* name) {
    pieces_ += source_ == nullptr || !field.bytes.empty() || !field.is_bytes;
    several_ |= source_ != nullptr && std::strcmp(source_, name) != 0;
    source_ = name;
    data_ = field.bytes;
  }

  /// Why the values cannot be read; empty if they can.
  std::string problem() const {
    const std::optional<DType> dtype = type_ < std::size(types) ? types[type_].dtype : std::nullopt;
    if (elsewhere_) return "its values lie in another file";
    if (!dtype) return fmt::format("its type {} is none of ours", read_.type);
    if (several_) return "it has values in two fields";
    if (list_ && list_->dtype != dtype) return fmt::format("its values lie one by one in {}", list_->name);
    if (pieces_ > 1) return fmt::format("its values lie in {} pieces", pieces_);
    if (holds(*dtype, read_.shape, data_)) return {};
    return fmt::format("it has {} bytes of values, which {} {} has not", data_.size(), read_.type,
                       to_string(read_.shape));
  }

  const std::string& file_;
  Initialiser read_;
  std::uint64_t type_ = 0;
  Bytes data_;
  const List* list_ = nullptr;
  const char* source_ = nullptr;  // the field of the values
  std::size_t pieces_ = 0;
  bool several_ = false, elsewhere_ = false;
};

/// A SparseTensorProto has the name and type of its values.
Initialiser read_sparse(const Bytes& bytes, const std::string& file) {
  Initialiser tensor;
  Shape shape;
  Message message(bytes, file);
  for (Field field; message.next(field);) {
    if (field.number == sparse_values && field.is_bytes) tensor = Tensor(field.bytes, file).finish();
    if (field.number == sparse_dims) add_dimensions(shape, field, file);
  }
  tensor.type = "sparse " + tensor.type;
  tensor.shape = shape;
  tensor.view.reset();
  tensor.problem = "most of its values are not written down";
  return tensor;
}

}  // namespace

std::vector<Initialiser> initialisers(const Bytes& bytes, const std::string& name) {
  expect(!bytes.empty(), ErrorKind::wrong_format, "weights '{}': expected an ONNX file, found 0 bytes", name);
  std::vector<Initialiser> found;
  bool has_graph = false;
  Message model(bytes, name);
  for (Field part; model.next(part);) {
    if (part.number != model_graph || !part.is_bytes) continue;
    has_graph = true;
    Message graph(part.bytes, name);
    for (Field field; graph.next(field);) {
      if (!field.is_bytes) continue;
      if (field.number == graph_initializer) found.push_back(Tensor(field.bytes, name).finish());
      if (field.number == graph_sparse_initializer) found.push_back(read_sparse(field.bytes, name));
      expect(found.size() <= most_tensors, ErrorKind::wrong_format, "weights '{}': expected at most {} tensors", name,
             most_tensors);
    }
  }
  expect(has_graph, ErrorKind::wrong_format, "weights '{}': expected an ONNX file with a graph, found none", name);
  return found;
}

std::shared_ptr<const Weights> parse(const Bytes& bytes, const std::string& name, std::shared_ptr<const void> owner) {
  auto weights = std::make_shared<Weights>();
  weights->owner = std::move(owner);
  weights->file_bytes = bytes.size();
  for (Initialiser& tensor : initialisers(bytes, name)) {
    if (tensor.view) {
      weights->add(std::move(*tensor.view), name);
    } else {
      weights->add(tensor.name, {tensor.type, tensor.shape, tensor.bytes, tensor.problem}, name);
    }
  }
  return weights;
}

}  // namespace dit::onnx
