// SPDX-License-Identifier: MIT
// Changes files where they are JSON: a header stays one, with another number, type, depth or key in it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace dit::fuzz {

/// A file with one JSON text in it changed, and the length that stands before it; empty if there is none. The text is
/// all of the file, or lies behind its length as a u64, as in safetensors and GGUF. JSON within its strings counts too.
std::string mutate_json(std::string_view file, std::uint32_t seed);

}  // namespace dit::fuzz
