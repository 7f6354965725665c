// SPDX-License-Identifier: MIT
#include "engine/model/formats/safetensors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>

#include "engine/error.h"
#include "engine/model/formats/open.h"
#include "tests/engine/ops/op_case.h"
#include "tests/engine/support/golden.h"

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
  EXPECT_EQ(tensor("F8_E4M3", "[16]", "[0,16]"), "no error") << "listed, and refused on use";
  EXPECT_NE(tensor("F8_E4M3", "[15]", "[0,16]").find("expected 15 bytes"), std::string::npos);
  EXPECT_NE(tensor("F4", "[31]", "[0,16]").find("expected 16 bytes for F4 [31]"), std::string::npos);
  EXPECT_NE(tensor("F32", "[3]", "[0,16]").find("expected 12 bytes"), std::string::npos);
  EXPECT_NE(tensor("F32", "[4]", "[8,4]").find("lie outside"), std::string::npos);
  EXPECT_NE(tensor("F32", "[4]", "[4,20]").find("lie outside"), std::string::npos);
  EXPECT_NE(tensor("F32", "[4294967296]", "[0,16]").find("over 32 bits"), std::string::npos);
  // The product wraps to 0 in 64 bits.
  EXPECT_NE(tensor("F32", "[2147483648,2147483648,4]", "[0,0]").find("needs more than"), std::string::npos);
  for (const char* shape : {"[-1]", "[4.0]", "[true]", "[null]", "[[4]]", "{}", "4"})
    EXPECT_NE(tensor("F32", shape, "[0,16]").find("bad safetensors header: tensor 't'"), std::string::npos) << shape;
  for (const char* offsets : {"[0,16.0]", "[0]", "[0,16,16]", "[true,16]", "[0,-16]", "16"})
    EXPECT_NE(tensor("F32", "[4]", offsets).find("two whole numbers"), std::string::npos) << offsets;
  EXPECT_NE(tensor("F32", "[1]", "[0,4]").find("12 bytes are left after the last tensor 't'"), std::string::npos);
  EXPECT_NE(tensor("F32", "[1]", "[12,16]").find("'t': expected byte 0 of the data"), std::string::npos);
  EXPECT_NE(tensor("F32", "\"x\"", "[0,16]").find("bad safetensors header"), std::string::npos);
}

/// An int4 tensor [2,32] with the parts of its description that a test changes.
std::string quantised(const std::string& dtype, const std::string& shape, const std::string& scales) {
  return R"({"__metadata__":{"quantised":"g32"},"w":{"dtype":")" + dtype + R"(","shape":)" + shape +
         R"(,"data_offsets":[0,32]},"w.scales":)" + scales + "}";
}

TEST(Safetensors, JoinsQuantisedTensors) {
  const std::string scales = R"({"dtype":"F16","shape":[2,1],"data_offsets":[32,36]})";
  const auto int4 = parse(quantised("U8", "[2,16]", scales), 36);
  ASSERT_EQ(int4->tensors.size(), 1u);
  EXPECT_TRUE(int4->metadata.empty());
  const WeightView& w = int4->tensors.at("w");
  EXPECT_EQ(w.dtype, DType::int4_g32);
  EXPECT_EQ(w.shape, (Shape{2, 32}));
  // Bytes count up from 0, so byte 17 is 0x11: elements 1 and 1 of the second row; its scale is 0x2322.
  EXPECT_EQ(read_f32(w)[32 + 2], half_to_float(0x2322));
  EXPECT_EQ(read_f32(w)[32 + 3], half_to_float(0x2322));
  EXPECT_EQ(parse(quantised("I8", "[1,32]", R"({"dtype":"F16","shape":[1,1],"data_offsets":[32,34]})"), 34)
                ->tensors.at("w")
                .dtype,
            DType::int8_g32);
  for (const std::string& bad :
       {quantised("F16", "[1,16]", scales), quantised("U8", "[32]", scales), quantised("U8", "[2,16]", R"(7)"),
        quantised("U8", "[1,32]", scales), quantised("I8", "[2,16]", scales),
        quantised("U8", "[2,16]", R"({"dtype":"F32","shape":[1],"data_offsets":[32,36]})"),
        std::string(R"({"__metadata__":{"quantised":"g64"}})"),
        std::string(
            R"({"__metadata__":{"quantised":"g32"},"x.scales":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}})")}) {
    EXPECT_NE(error_of(bad, 36), "no error") << bad;
  }
}

TEST(Safetensors, ReadsEveryNumber) {
  const auto weights = parse(
      R"({"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},"f":{"dtype":"F64","shape":[1],"data_offsets":[8,16]},)"
      R"("e":{"dtype":"I32","shape":[1],"data_offsets":[16,20]},"c":{"dtype":"U16","shape":[1],"data_offsets":[20,22]},)"
      R"("d":{"dtype":"BF16","shape":[1],"data_offsets":[22,24]},"b":{"dtype":"I8","shape":[2],"data_offsets":[24,26]},)"
      R"("g":{"dtype":"BOOL","shape":[1],"data_offsets":[26,27]}})",
      27);
  const auto first = [&](const char* name) { return read_f64(weights->tensors.at(name)).at(0); };
  EXPECT_EQ(first("a"), static_cast<double>(0x0706050403020100));
  EXPECT_EQ(first("f"), std::bit_cast<double>(0x0f0e0d0c0b0a0908));
  EXPECT_EQ(first("e"), 0x13121110);
  EXPECT_EQ(first("c"), 0x1514);
  EXPECT_EQ(first("d"), std::bit_cast<float>(0x17160000u));
  EXPECT_EQ(read_f32(weights->tensors.at("b"))[1], 25.0f);
  EXPECT_EQ(first("g"), 26);
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

TEST(Safetensors, EveryByteBelongsToOneTensor) {
  const auto two = [](const std::string& a, const std::string& b, std::size_t data) {
    return error_of(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + a +
                        R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + b + "}}",
                    data);
  };
  EXPECT_EQ(two("[4,8]", "[0,4]", 8), "no error");
  EXPECT_NE(two("[0,4]", "[5,9]", 9).find("'b': expected byte 4 of the data to be its first, found 5: there is a hole"),
            std::string::npos);
  EXPECT_NE(two("[0,4]", "[2,6]", 6).find("'b': expected byte 4 of the data to be its first, found 2: it lies over"),
            std::string::npos);
  EXPECT_NE(two("[0,4]", "[0,4]", 4).find("it lies over another tensor"), std::string::npos);
  EXPECT_NE(two("[0,4]", "[4,8]", 9).find("1 bytes are left after the last tensor 'b'"), std::string::npos);
  EXPECT_EQ(error_of(R"({"e":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})", 0), "no error");
  EXPECT_NE(error_of(" {}", 0).find("not a JSON object"), std::string::npos) << "as the format's reader wants it";
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
    EXPECT_EQ(float_to_half(half_to_float(static_cast<std::uint16_t>(h))), h);
    EXPECT_EQ(float_to_half(-half_to_float(static_cast<std::uint16_t>(h))), h | 0x8000u);
  }
}

TEST(Weights, FloatsRoundToTheNearestHalf) {
  // Half way between two halves the even one wins.
  EXPECT_EQ(float_to_half(1.0f + 0x1p-11f), 0x3c00);
  EXPECT_EQ(float_to_half(1.0f + 3 * 0x1p-11f), 0x3c02);
  EXPECT_EQ(float_to_half(0x1p-25f), 0x0000);
  EXPECT_EQ(float_to_half(3 * 0x1p-25f), 0x0002);
  EXPECT_EQ(float_to_half(0x1p-14f - 0x1p-26f), 0x0400);
  EXPECT_EQ(float_to_half(65519.0f), 0x7bff);
  EXPECT_EQ(float_to_half(65520.0f), 0x7c00);
  EXPECT_EQ(float_to_half(-1e30f), 0xfc00);
  EXPECT_EQ(float_to_half(INFINITY), 0x7c00);
  EXPECT_EQ(float_to_half(NAN) & 0x7e00, 0x7e00);
}

TEST(Weights, RangesAreChecked) {
  const auto weights = parse(R"({"a":{"dtype":"F16","shape":[4],"data_offsets":[0,8]}})", 8);
  std::vector<float> out(3);
  EXPECT_NO_THROW(read_f32(weights->tensors.at("a"), 1, out));
  EXPECT_THROW(read_f32(weights->tensors.at("a"), 2, out), Error);
  EXPECT_THROW(read_f32(weights->tensors.at("a"), ~std::uint64_t{0}, out), Error);
}

TEST(Safetensors, ReleasedBytesReadTheSameAgain) {
  const auto weights = open_weights(test::golden_path("tiny.safetensors"));
  for (const auto& [name, view] : weights->tensors) {
    const std::vector<float> before = read_f32(view);
    view.bytes.release();
    EXPECT_EQ(read_f32(view), before) << name;
  }
  // Memory that is not the file's must be left alone.
  std::vector<std::byte> other(1 << 16, std::byte{7});
  Bytes(other).release();
  EXPECT_EQ(std::ranges::count(other, std::byte{7}), 1 << 16);
}

}  // namespace
}  // namespace dit
