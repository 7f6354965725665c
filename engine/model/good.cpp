// SPDX-License-Identifier: MIT
#include "engine/model/good.h"

#include "engine/error.h"

namespace dit {

std::vector<std::uint8_t> decode_base64(std::string_view text) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() % 4 != 0) return {};
  while (text.ends_with('=')) text.remove_suffix(1);
  std::vector<std::uint8_t> bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    const std::size_t value = digits.find(c);
    if (value == std::string_view::npos) return {};
    bits = (bits << 6 | static_cast<std::uint32_t>(value)) & 0xffff;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<std::uint8_t>(bits >> count));
  }
  return bytes;
}

std::vector<std::uint8_t> read_good(const Weights& weights, const ModelConfig& config, const std::string& file) {
  const auto found = weights.metadata.find("good");
  if (found == weights.metadata.end()) return {};
  std::vector<std::uint8_t> bytes = decode_base64(found->second);
  const std::size_t words = config.words.size(), styles = config.styles.size();
  expect(!bytes.empty() && (bytes.size() == words || bytes.size() == words * styles), ErrorKind::wrong_format,
         "weights '{}': metadata 'good': expected base64 of {} or {} bytes, found {} of {} characters", file, words,
         words * styles, bytes.size(), found->second.size());
  return bytes;
}

}  // namespace dit
