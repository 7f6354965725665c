// SPDX-License-Identifier: MIT
// libFuzzer's entry: DIT_FUZZ_TARGET is the name of one of targets().
#include <cstdint>
#include <cstring>
#include <vector>

#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // A copy of its own, so that the sanitizer sees the last byte.
  const std::vector<std::byte> bytes(reinterpret_cast<const std::byte*>(data),
                                     reinterpret_cast<const std::byte*>(data) + size);
  for (const dit::fuzz::Target& target : dit::fuzz::targets())
    if (std::strcmp(target.name, DIT_FUZZ_TARGET) == 0) target.run(bytes);
  return 0;
}
