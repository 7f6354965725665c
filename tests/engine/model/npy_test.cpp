// SPDX-License-Identifier: MIT
// .npy headers as NumPy writes them, and broken ones. That NumPy reads ours is tested with the command line.
#include "engine/model/formats/npy.h"

#include <gtest/gtest.h>

#include <string>

#include "engine/error.h"

namespace dit::test {
namespace {

std::string file_of(const std::string& header, std::size_t data, char version = 1) {
  std::string file = "\x93NUMPY";
  file += version;
  file += '\0';
  file += static_cast<char>(header.size() & 255);
  file += static_cast<char>(header.size() >> 8);
  if (version > 1) file += std::string(2, '\0');
  file += header;
  for (std::size_t i = 0; i < data; ++i) file += static_cast<char>(i);
  return file;
}

WeightView read(const std::string& file) {
  static std::string kept;
  kept = file;
  return npy::parse(std::as_bytes(std::span(kept)), "folder/array.npy", nullptr)->tensors.at("array");
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

TEST(Npy, ReadsHeaders) {
  EXPECT_EQ(read(file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n", 24)).shape, (Shape{2, 3}));
  EXPECT_EQ(read(file_of("{'descr': '<f8', 'fortran_order': False, 'shape': (), }\n", 8, 2)).dtype, DType::f64);
  EXPECT_EQ(read(file_of("{'shape': (5,), 'descr': '|u1', 'fortran_order': False}", 5)).shape, (Shape{5}));
  EXPECT_EQ(read_f32(read(file_of("{'descr': '|i1', 'fortran_order': False, 'shape': (3,), }\n", 3, 3)))[2], 2.0f);
}

TEST(Npy, RefusesBrokenFiles) {
  const auto header = [](const std::string& descr, const std::string& order, const std::string& shape) {
    return "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }\n";
  };
  const auto expect_names = [](const std::string& error, const char* part) {
    EXPECT_NE(error.find(part), std::string::npos) << error;
  };
  const std::string good = file_of(header("<f4", "False", "(2,)"), 8);
  EXPECT_EQ(error_of(good), "no error");
  for (std::size_t size = 0; size < good.size(); ++size) EXPECT_NE(error_of(good.substr(0, size)), "no error") << size;
  expect_names(error_of(file_of(header("<f4", "True", "(2,)"), 8)), "C order");
  expect_names(error_of(file_of(header("<c8", "False", "(2,)"), 16)), "'<c8'");
  expect_names(error_of(file_of(header(">f4", "False", "(2,)"), 8)), "'>f4'");
  expect_names(error_of(file_of(header("<f4", "False", "(-2,)"), 8)), "dimension");
  expect_names(error_of(file_of(header("<f4", "False", "(4294967296,)"), 8)), "dimension");
  expect_names(error_of(file_of(header("<f4", "False", "(2147483648, 2147483648, 4)"), 0)), "needs more than");
  expect_names(error_of(file_of(header("<f4", "False", "(65536, 65536)"), 8)), "needs more than");
  expect_names(error_of(file_of(header("<f4", "False", "(3,)"), 16)), "expected 12 data bytes");
  expect_names(error_of(file_of("{'descr': '<f4'}", 8)), "expected ,");
  expect_names(error_of(file_of("{'what': 1}", 8)), "'what'");
  expect_names(error_of(file_of("{", 8)), "header");
  expect_names(error_of(file_of(header("<f4", "False", "(2,)"), 8, 9)), "version 1 to 3, found 9");
  std::string rank = "(";
  for (int i = 0; i < 40; ++i) rank += "1,";
  expect_names(error_of(file_of(header("<f4", "False", rank + ")"), 4)), "dimension");
}

}  // namespace
}  // namespace dit::test
