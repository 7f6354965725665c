// SPDX-License-Identifier: MIT
#include "engine/formats/safetensors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>

#include "engine/error.h"
#include "tests/engine/op_case.h"

namespace dit {
namespace {

/// A file in memory: the length, the header, `data_bytes` bytes counting up.
std::shared_ptr<const Weights> parse(const std::string& header, std::size_t data_bytes, std::uint64_t length = 0) {
  auto bytes = std::make_shared<std::vector<std::byte>>(8 + header.size() + data_bytes);
  const std::uint64_t size = length ? length : header.size();
  std::memcpy(bytes->data(), &size, 8);
  std::memcpy(bytes->data() + 8, header.data(), header.size());
  for (std::size_t i = 0; i < data_bytes; ++i) (*bytes)[8 + header.size() + i] = static_cast<std::byte>(i);
  return safetensors::parse(*bytes, "memory", bytes);
}

std::string error_of(const std::string& header, std::size_t data_bytes, std::uint64_t length = 0) {
  try {
    parse(header, data_bytes, length);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::wrong_format);
    return error.what();
  }
  return "no error";
}

TEST(Safetensors, ReadsTensorsAndMetadata) {
  const auto weights = parse(
      R"({"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"s":{"dtype":"F16","shape":[],"data_offsets":[8,10]}})",
      10);
  EXPECT_EQ(weights->metadata.at("k"), "v");
  EXPECT_EQ(weights->tensors.at("a").shape, (Shape{2, 1}));
  EXPECT_EQ(weights->tensors.at("s").dtype, DType::f16);
  EXPECT_EQ(weights->tensors.at("s").bytes.size(), 2u);
  float second = 0;
  const std::uint32_t bits = 0x07060504u;
  std::memcpy(&second, &bits, 4);
  EXPECT_EQ(read_f32(weights->tensors.at("a"))[1], second);
}

TEST(Safetensors, RefusesBrokenFiles) {
  const std::string good = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  EXPECT_EQ(error_of(good, 8), "no error");
  EXPECT_NE(error_of(good, 7).find("'a'"), std::string::npos) << error_of(good, 7);
  EXPECT_NE(error_of(good, 8, 1u << 30).find("header"), std::string::npos);
  EXPECT_NE(error_of(good, 8, ~std::uint64_t{0}).find("header"), std::string::npos);
  EXPECT_NE(error_of("{", 0).find("JSON") + error_of("{", 0).find("header"), std::string::npos);
  EXPECT_NE(error_of("[]", 0).find("object"), std::string::npos);
  const auto tensor = [](const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return error_of(R"({"t":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}",
                    16);
  };
  EXPECT_NE(tensor("I64", "[2]", "[0,16]").find("expected dtype F32 or F16, found I64"), std::string::npos);
  EXPECT_NE(tensor("F32", "[3]", "[0,16]").find("expected 12 bytes"), std::string::npos);
  EXPECT_NE(tensor("F32", "[4]", "[8,4]").find("lie outside"), std::string::npos);
  EXPECT_NE(tensor("F32", "[4]", "[4,20]").find("lie outside"), std::string::npos);
  EXPECT_NE(tensor("F32", "[4294967296]", "[0,16]").find("over 32 bits"), std::string::npos);
  // The product wraps to 0 in 64 bits.
  EXPECT_NE(tensor("F32", "[2147483648,2147483648,4]", "[0,0]").find("needs more than"), std::string::npos);
  EXPECT_NE(
      tensor("F32", "[-1]", "[0,16]").find("bad safetensors header") + 1 + tensor("F32", "[-1]", "[0,16]").find("over"),
      0u);
  EXPECT_NE(tensor("F32", "\"x\"", "[0,16]").find("bad safetensors header"), std::string::npos);
}

TEST(Safetensors, NamesTheFileThatIsNotThere) {
  try {
    safetensors::open("/nonexistent/icons.safetensors");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::not_found);
    EXPECT_NE(std::string(error.what()).find("/nonexistent/icons.safetensors"), std::string::npos);
  }
  EXPECT_THROW(safetensors::open("/"), Error);
}

TEST(Weights, HalvesAreExact) {
  EXPECT_EQ(half_to_float(0x3c00), 1.0f);
  EXPECT_EQ(half_to_float(0xc000), -2.0f);
  EXPECT_EQ(half_to_float(0x0001), 0x1p-24f);
  EXPECT_EQ(half_to_float(0x83ff), -1023 * 0x1p-24f);
  EXPECT_EQ(half_to_float(0x7bff), 65504.0f);
  EXPECT_TRUE(std::isinf(half_to_float(0x7c00)));
  EXPECT_TRUE(std::isnan(half_to_float(0x7e00)));
  for (std::uint32_t h = 0; h < 0x7c00; ++h) {
    EXPECT_EQ(test::float_to_half(half_to_float(static_cast<std::uint16_t>(h))), h);
  }
}

TEST(Weights, RangesAreChecked) {
  const auto weights = parse(R"({"a":{"dtype":"F16","shape":[4],"data_offsets":[0,8]}})", 8);
  std::vector<float> out(3);
  EXPECT_NO_THROW(read_f32(weights->tensors.at("a"), 1, out));
  EXPECT_THROW(read_f32(weights->tensors.at("a"), 2, out), Error);
  EXPECT_THROW(read_f32(weights->tensors.at("a"), ~std::uint64_t{0}, out), Error);
}

}  // namespace
}  // namespace dit
