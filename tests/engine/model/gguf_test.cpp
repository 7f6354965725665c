// SPDX-License-Identifier: MIT
// GGUF: files made by hand, byte for byte as its description says, and files that are broken.
#include "engine/model/formats/gguf.h"

#include <gtest/gtest.h>

#include <unistd.h>
#include <cstring>
#include <filesystem>
#include <numeric>
#include <string>

#include "engine/error.h"
#include "engine/model/formats/open.h"
#include "engine/model/formats/safetensors.h"
#include "engine/model/model.h"
#include "engine/model/quantised.h"
#include "tests/engine/support/golden.h"

namespace dit::test {
namespace {

/// Bytes of a file, appended one after the other.
class Bytes {
 public:
  template <typename T>
  Bytes& number(T value) {
    const auto* bytes = reinterpret_cast<const std::byte*>(&value);
    bytes_.insert(bytes_.end(), bytes, bytes + sizeof(T));
    return *this;
  }
  Bytes& u32(std::uint32_t value) { return number(value); }
  Bytes& u64(std::uint64_t value) { return number(value); }
  Bytes& text(const std::string& value) {
    u64(value.size());
    for (const char c : value) number(c);
    return *this;
  }
  Bytes& head(std::uint64_t tensors, std::uint64_t entries, std::uint32_t version = 3) {
    return u32(0x46554747).u32(version).u64(tensors).u64(entries);
  }
  Bytes& info(const std::string& name, const std::vector<std::uint64_t>& sizes, std::uint32_t type,
              std::uint64_t offset) {
    text(name).u32(static_cast<std::uint32_t>(sizes.size()));
    for (const std::uint64_t size : sizes) u64(size);
    return u32(type).u64(offset);
  }
  Bytes& pad(std::size_t alignment) {
    while (bytes_.size() % alignment) bytes_.push_back(std::byte{});
    return *this;
  }
  /// `count` bytes counting up.
  Bytes& data(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) bytes_.push_back(static_cast<std::byte>(i));
    return *this;
  }
  std::shared_ptr<const Weights> parse() const {
    auto owner = std::make_shared<std::vector<std::byte>>(bytes_);
    return gguf::parse(*owner, "memory", owner);
  }
  std::string error() const {
    try {
      parse();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::wrong_format);
      return error.what();
    }
    return "no error";
  }
  std::size_t size() const { return bytes_.size(); }
  void cut(std::size_t size) { bytes_.resize(size); }

 private:
  std::vector<std::byte> bytes_;
};

TEST(Gguf, ReadsTensorsAndMetadata) {
  Bytes file;
  file.head(3, 6);
  file.text("general.alignment").u32(4).u32(64);
  file.text("ditsrc.config").u32(8).text("{}");
  file.text("tokens").u32(9).u32(8).u64(2).text("a").text("bc");
  file.text("nested").u32(9).u32(9).u64(1).u32(0).u64(3).number('a').number('b').number('c');
  file.text("eps").u32(6).number(0.5f);
  file.text("flag").u32(7).number(std::uint8_t{1});
  file.info("a", {2, 3}, 0, 0).info("s", {}, 1, 64).info("q", {32, 1}, 8, 128);
  file.pad(64).data(128 + 34);
  const auto weights = file.parse();
  EXPECT_EQ(weights->metadata,
            (std::map<std::string, std::string>{
                {"config", "{}"}, {"tokens", "[2]"}, {"nested", "[1]"}, {"eps", "0.5"}, {"flag", "true"}}));
  const WeightView& a = weights->tensors.at("a");
  EXPECT_EQ(a.shape, (Shape{3, 2}));  // stored fastest first
  EXPECT_EQ(*a.bytes.data(), std::byte{0});
  EXPECT_EQ(a.bytes.size(), 24u);
  EXPECT_EQ(weights->tensors.at("s").shape, Shape{});
  EXPECT_EQ(weights->tensors.at("s").dtype, DType::f16);
  const WeightView& q = weights->tensors.at("q");
  EXPECT_EQ(q.dtype, DType::q8_0);
  // Bytes from 128 on: the scale 0x8180, then −126, −125, …
  EXPECT_EQ(read_f32(q)[0], half_to_float(0x8180) * -126);
  EXPECT_EQ(read_f32(q)[31], half_to_float(0x8180) * -95);
}

TEST(Gguf, RefusesBrokenFiles) {
  const auto one = [](std::vector<std::uint64_t> sizes, std::uint32_t type, std::uint64_t offset, std::size_t data) {
    Bytes file;
    file.head(1, 0).info("t", sizes, type, offset).pad(32).data(data);
    return file.error();
  };
  const auto expect_names = [](const std::string& error, const char* part) {
    EXPECT_NE(error.find(part), std::string::npos) << error;
  };
  EXPECT_EQ(one({4}, 0, 0, 16), "no error");
  expect_names(one({4}, 0, 0, 15), "needs more than the 15 data bytes");
  expect_names(one({4}, 0, 32, 64), "expected offset 0, found 32");
  expect_names(one({4}, 0, ~std::uint64_t{31}, 32), "expected offset 0");
  expect_names(one({4}, 0, 4, 32), "expected offset 0, found 4");
  EXPECT_EQ(one({4}, 0, 0, 32), "no error") << "with the padding that writers leave";
  expect_names(one({4}, 0, 0, 33), "1 bytes are left after the last tensor 't'");
  const auto second = [](std::uint64_t offset, std::size_t data) {
    return Bytes().head(2, 0).info("a", {16}, 0, 0).info("b", {1}, 0, offset).pad(32).data(data).error();
  };
  EXPECT_EQ(second(64, 96), "no error");
  expect_names(second(32, 96), "'b': expected offset 64, found 32");
  expect_names(second(96, 128), "'b': expected offset 64, found 96");
  expect_names(one({33}, 8, 0, 64), "rows of a multiple of 32");
  expect_names(one({}, 2, 0, 64), "rows of a multiple of 32");
  expect_names(one({std::uint64_t{1} << 32}, 0, 0, 16), "over 32 bits");
  // Products that wrap to 0 in 64 and in 32 bits.
  expect_names(one({1u << 31, 1u << 31, 4}, 0, 0, 16), "needs more than");
  expect_names(one({1u << 16, 1u << 16}, 0, 0, 16), "needs more than");
  expect_names(one({1, 1, 1, 1, 1}, 0, 0, 16), "at most 4 dimensions, found 5");
  EXPECT_EQ(one({32}, 6, 0, 22), "no error") << "listed, and refused on use";
  expect_names(one({32}, 6, 0, 21), "Q5_0 [32] needs more than");
  EXPECT_EQ(one({7}, 99, 0, 16), "no error");
  expect_names(Bytes().head(1, 0).info(std::string(64, 'x'), {1}, 0, 0).pad(32).data(4).error(), "at most 63 bytes");
  expect_names(Bytes().head(0, 1).text(std::string(65536, 'k')).u32(0).data(4).error(), "at most 65535 bytes");
  Bytes magic;
  expect_names(magic.text("these are not weights").pad(32).error(), "expected a GGUF file");
  expect_names(Bytes().head(0, 0, 1).error(), "version 2 or 3");
  expect_names(Bytes().head(0, 0, 0x03000000).error(), "little endian");
  expect_names(Bytes().head(1u << 30, 0).error(), "tensor count");
  expect_names(Bytes().head(0, ~std::uint64_t{0}).error(), "metadata count");
  expect_names(Bytes().head(0, 1).u64(~std::uint64_t{0}).data(64).error(), "metadata key");
  expect_names(Bytes().head(0, 1).text("k").u32(13).data(64).error(), "expected 0 to 12, found 13");
  expect_names(Bytes().head(0, 1).text("k").u32(9).u32(0).u64(~std::uint64_t{0}).error(), "array length");
  expect_names(Bytes().head(0, 2).text("k").u32(0).number('a').text("k").u32(0).number('a').data(8).error(), "twice");
  expect_names(Bytes().head(2, 0).info("t", {1}, 0, 0).info("t", {1}, 0, 0).pad(32).data(32).error(), "twice");
  expect_names(Bytes().head(0, 1).text("general.alignment").u32(4).u32(24).error(), "power of two");
  expect_names(Bytes().head(0, 1).text("general.alignment").u32(4).u32(0).error(), "power of two");
  Bytes deep;
  deep.head(0, 1).text("k").u32(9);
  for (int i = 0; i < 100; ++i) deep.u32(9).u64(1);
  expect_names(deep.error(), "nested");
}

TEST(Gguf, EveryTruncationIsAnError) {
  Bytes file;
  file.head(1, 1).text("ditsrc.config").u32(8).text("{}").info("t", {4}, 0, 0).pad(32).data(16);
  ASSERT_EQ(file.error(), "no error");
  for (std::size_t size = file.size(); size-- > 0;) {
    file.cut(size);
    EXPECT_NE(file.error(), "no error") << size;
  }
}

/// A file of this test that goes away with it.
struct Scratch {
  explicit Scratch(const char* name)
      : path(std::filesystem::temp_directory_path() / fmt::format("dit-gguf-{}-{}", ::getpid(), name)) {}
  ~Scratch() { std::filesystem::remove(path); }
  std::filesystem::path path;
};

void expect_same(const Weights& a, const Weights& b) {
  EXPECT_EQ(a.metadata, b.metadata);
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (const auto& [name, view] : a.tensors) {
    const WeightView& other = b.tensors.at(name);
    EXPECT_EQ(view.dtype, other.dtype) << name;
    EXPECT_EQ(view.shape, other.shape) << name;
    EXPECT_TRUE(std::ranges::equal(view.bytes.read(), other.bytes.read())) << name;
    EXPECT_TRUE(std::ranges::equal(view.scales.read(), other.scales.read())) << name;
  }
}

TEST(Gguf, WhatIsWrittenIsReadBack) {
  const Scratch file("round-trip");
  const auto source = safetensors::open(golden_path("tiny.safetensors"));
  gguf::write(file.path, *source);
  const auto back = open_weights(file.path);
  Weights expected = *source;
  expected.metadata["general.architecture"] = "ditsrc";
  expect_same(expected, *back);
  EXPECT_EQ(Model::open(file.path)->config().name, "tiny");
  // A second trip through safetensors keeps the architecture as metadata and changes nothing else.
  safetensors::write(file.path, *back);
  expect_same(expected, *open_weights(file.path));
}

TEST(Gguf, QuantisedTensorsAreReadBackFromBothFormats) {
  const Scratch file("quantised");
  std::vector<float> values(4 * 64);
  std::iota(values.begin(), values.end(), -100.0f);
  for (const DType dtype : {DType::q8_0, DType::q4_0, DType::int8_g32, DType::int4_g32}) {
    const Quantised storage = quantise(dtype, values);
    Weights weights;
    weights.tensors["w"] = {"w", dtype, {4, 64}, storage.bytes, storage.scales};
    weights.tensors["b"] = {"b", DType::f32, {4, 64}, std::as_bytes(std::span(values))};
    const bool in_gguf = gguf::can_hold(dtype);
    EXPECT_NE(in_gguf, safetensors::can_hold(dtype));
    in_gguf ? gguf::write(file.path, weights) : safetensors::write(file.path, weights);
    auto back = *open_weights(file.path);
    back.metadata.clear();
    expect_same(weights, back);
    EXPECT_THROW(in_gguf ? safetensors::write(file.path, weights) : gguf::write(file.path, weights), Error);
    // The file that was there before the failed write still is.
    EXPECT_NO_THROW(open_weights(file.path));
  }
}

TEST(Gguf, RefusesToWriteWhatTheFormatCannotHold) {
  const Scratch file("refused");
  const std::byte byte{};
  Weights weights;
  const std::string long_name(64, 'x');
  weights.tensors[long_name] = {long_name, DType::i8, {1}, std::span(&byte, 1)};
  EXPECT_THROW(gguf::write(file.path, weights), Error);
  weights.tensors.clear();
  weights.tensors["t"] = {"t", DType::i8, {1, 1, 1, 1, 1}, std::span(&byte, 1)};
  EXPECT_THROW(gguf::write(file.path, weights), Error);
  weights.tensors["t"] = {"t", DType::u8, {1}, std::span(&byte, 1)};
  EXPECT_THROW(gguf::write(file.path, weights), Error);
  EXPECT_FALSE(std::filesystem::exists(file.path));
}

}  // namespace
}  // namespace dit::test
