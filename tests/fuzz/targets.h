// SPDX-License-Identifier: MIT
// What is fuzzed: each reader of files that others wrote, from bytes to values, the JSON in them, and what others send
// to the server. libFuzzer runs these; the ordinary tests replay the corpus.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace dit::fuzz {

struct Target {
  const char* name;
  /// Returns if the bytes are a file or are refused by Error; anything else is a finding.
  void (*run)(std::span<const std::byte> bytes);
};

const std::vector<Target>& targets();

}  // namespace dit::fuzz
