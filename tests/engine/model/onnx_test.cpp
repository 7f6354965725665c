// SPDX-License-Identifier: MIT
// ONNX initialisers: messages made by hand, field by field, and messages that are broken.
#include "engine/model/formats/onnx.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "engine/error.h"

namespace dit::test {
namespace {

std::string varint(std::uint64_t value) {
  std::string text;
  for (; value >= 128; value >>= 7) text += static_cast<char>(value | 128);
  return text + static_cast<char>(value);
}
std::string number(std::uint32_t field, std::uint64_t value) { return varint(field << 3) + varint(value); }
std::string bytes(std::uint32_t field, const std::string& value) {
  return varint(field << 3 | 2) + varint(value.size()) + value;
}
std::string floats(std::initializer_list<float> values) {
  return {reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(float)};
}
/// A model whose graph has these initialisers, among fields that do not matter.
std::string model(std::initializer_list<std::string> tensors) {
  std::string graph = bytes(1, "a node") + bytes(2, "name");
  for (const std::string& tensor : tensors) graph += bytes(5, tensor);
  return number(1, 8) + bytes(2, "producer") + bytes(7, graph) + varint(9 << 3 | 5) + "four" + varint(10 << 3 | 1) +
         "eight bs";
}

std::vector<onnx::Initialiser> read(const std::string& file) {
  return onnx::initialisers(std::as_bytes(std::span(file)), "memory");
}
std::string error_of(const std::string& file) {
  try {
    read(file);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::wrong_format);
    return error.what();
  }
  return "no error";
}

TEST(Onnx, ReadsInitialisers) {
  const std::string raw =
      number(1, 2) + number(1, 3) + number(2, 1) + bytes(8, "raw") + bytes(9, floats({1, 2, 3, 4, 5, 6}));
  const std::string packed =
      bytes(1, varint(1) + varint(300)) + number(2, 10) + bytes(8, "packed") + bytes(9, std::string(600, 'x'));
  const std::string listed = number(1, 2) + number(2, 1) + bytes(4, floats({7, 8})) + bytes(8, "listed");
  const std::string elsewhere = number(1, 5) + number(2, 7) + bytes(8, "elsewhere") + bytes(13, "a file");
  const std::string strange = number(2, 99) + bytes(8, "strange");
  const std::string file = model({raw, packed, listed, elsewhere, strange});
  const auto found = read(file);
  ASSERT_EQ(found.size(), 5u);
  EXPECT_EQ(found[0].name, "raw");
  EXPECT_EQ(found[0].shape, (Shape{2, 3}));
  EXPECT_EQ(read_f32(found[0].view.value()), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(found[1].shape, (Shape{1, 300}));
  EXPECT_EQ(found[1].view.value().dtype, DType::f16);
  EXPECT_EQ(read_f32(found[2].view.value()), (std::vector<float>{7, 8}));
  EXPECT_EQ(found[3].type, "i64");
  EXPECT_FALSE(found[3].view);
  EXPECT_EQ(found[4].type, "type 99");
  EXPECT_EQ(found[4].shape, Shape{});
  EXPECT_EQ(found[3].problem, "its values lie in another file");
  EXPECT_EQ(found[4].problem, "its type type 99 is none of ours");
  const auto weights = onnx::parse(std::as_bytes(std::span(file)), "memory", nullptr);
  EXPECT_EQ(weights->tensors.size(), 3u);
  EXPECT_EQ(weights->foreign.size(), 2u);
  EXPECT_THROW(weights->expect_all_usable("memory"), Error);
}

TEST(Onnx, ValuesOfAnotherSizeAreNotRead) {
  const auto view = [](const std::string& tensor) { return read(model({tensor})).at(0).view; };
  EXPECT_FALSE(view(number(1, 3) + number(2, 1) + bytes(9, floats({1, 2}))));
  EXPECT_FALSE(view(number(1, 1) + number(2, 1) + bytes(9, floats({1, 2}))));
  // Products that wrap in 64 and in 32 bits.
  EXPECT_FALSE(view(number(1, 1u << 31) + number(1, 1u << 31) + number(1, 4) + number(2, 1)));
  EXPECT_FALSE(view(number(1, 1u << 16) + number(1, 1u << 16) + number(2, 1)));
  EXPECT_TRUE(view(number(1, 0) + number(2, 1)));
  // Lists of another type's values, in pieces, or beside others.
  EXPECT_FALSE(view(number(1, 1) + number(2, 6) + bytes(4, floats({1}))));
  EXPECT_FALSE(view(number(1, 1) + number(2, 6) + bytes(5, "\7")));
  EXPECT_FALSE(view(number(1, 2) + number(2, 1) + bytes(4, floats({1})) + bytes(4, floats({2}))));
  EXPECT_FALSE(view(number(1, 1) + number(2, 1) + bytes(4, floats({1})) + bytes(9, floats({1}))));
  EXPECT_FALSE(view(number(1, 1) + number(2, 1) + bytes(9, floats({1})) + number(14, 1)));
  EXPECT_TRUE(view(number(1, 1) + number(2, 1) + bytes(9, floats({1})) + number(14, 0)));
}

TEST(Onnx, RefusesBrokenFiles) {
  const std::string tensor = number(1, 2) + number(2, 1) + bytes(8, "t") + bytes(9, floats({1, 2}));
  EXPECT_EQ(error_of(model({tensor})), "no error");
  const auto expect_names = [](const std::string& error, const char* part) {
    EXPECT_NE(error.find(part), std::string::npos) << error;
  };
  expect_names(error_of(""), "0 bytes");
  expect_names(error_of("these are not weights"), "memory");
  expect_names(error_of(bytes(2, "producer")), "with a graph");
  expect_names(error_of(varint(7 << 3 | 2) + varint(~std::uint64_t{0}) + "x"), "more bytes");
  expect_names(error_of(std::string(11, '\xff')), "ten bytes");
  expect_names(error_of(varint(7 << 3 | 3)), "wire type 3");
  expect_names(error_of(number(0, 1)), "ONNX");
  expect_names(error_of(model({number(1, std::uint64_t{1} << 32)})), "over 32 bits");
  expect_names(error_of(model({bytes(1, std::string(40, '\1'))})), "at most 32 dimensions");
  const std::string twice = model({tensor, tensor});
  EXPECT_THROW(onnx::parse(std::as_bytes(std::span(twice)), "memory", nullptr), Error);
  // Cut anywhere: an error, or (between two fields at the end) a file without the rest.
  const std::string file = model({tensor});
  for (std::size_t size = 0; size < file.size(); ++size) error_of(file.substr(0, size));
}

}  // namespace
}  // namespace dit::test
