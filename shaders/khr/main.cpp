// SPDX-License-Identifier: MIT
// khr_matrices IN OUT: a file of SPIR-V with NV matrices, as one with KHR matrices, while the tree is built.
#include <cstring>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>

#include "shaders/khr/khr_matrices.h"

namespace {

std::vector<std::uint32_t> read(const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (!file.good() || bytes.size() % sizeof(std::uint32_t) != 0)
    throw std::runtime_error("cannot be read as whole words");
  std::vector<std::uint32_t> words(bytes.size() / sizeof(std::uint32_t));
  std::memcpy(words.data(), bytes.data(), bytes.size());
  return words;
}

void write(const char* path, const std::vector<std::uint32_t>& words) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(words.data()),
             static_cast<std::streamsize>(words.size() * sizeof(std::uint32_t)));
  file.close();
  if (!file) throw std::runtime_error(std::string("cannot write ") + path);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::cerr << "usage: khr_matrices IN OUT\n";
    return 2;
  }
  try {
    write(arguments[2], dit::vulkan::khr_matrices(read(arguments[1])));
  } catch (const std::exception& error) {
    std::cerr << arguments[1] << ": " << error.what() << "\n";
    return 1;
  }
}
