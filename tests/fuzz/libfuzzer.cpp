// SPDX-License-Identifier: MIT
// libFuzzer's entry: DIT_FUZZ_TARGET is the name of one of targets().
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "tests/fuzz/json_mutator.h"
#include "tests/fuzz/targets.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // A copy of its own, so that the sanitizer sees the last byte.
  const std::vector<std::byte> bytes(reinterpret_cast<const std::byte*>(data),
                                     reinterpret_cast<const std::byte*>(data) + size);
  for (const dit::fuzz::Target& target : dit::fuzz::targets())
    if (std::strcmp(target.name, DIT_FUZZ_TARGET) == 0) target.run(bytes);
  return 0;
}

/// Two of three inputs are changed as JSON where there is some; the rest byte by byte.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  if (seed % 3 != 0) {
    const std::string changed = dit::fuzz::mutate_json({reinterpret_cast<const char*>(data), size}, seed);
    if (!changed.empty() && changed.size() <= most) {
      std::memcpy(data, changed.data(), changed.size());
      return changed.size();
    }
  }
  return LLVMFuzzerMutate(data, size, most);
}
