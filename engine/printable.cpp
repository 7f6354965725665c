// SPDX-License-Identifier: MIT
#include "engine/printable.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace dit {
namespace {

struct Character {
  std::uint32_t code = 0;
  std::size_t bytes = 1;
  bool valid = false;
};

/// The first character of a text that is not empty. Overlong forms, surrogates and codes beyond Unicode are not valid.
Character first_of(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  const std::size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < bytes) return {lead, 1, false};
  std::uint32_t code = lead & (0xffu >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {lead, 1, false};
    code = code << 6 | (byte(i) & 0x3fu);
  }
  constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < least[bytes] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return {lead, 1, false};
  return {code, bytes, true};
}

/// Whether a character acts on a terminal or a line instead of being seen. Joiners and variation selectors, which emoji
/// are made of, are left alone. source: Unicode's categories Cc, Zl, Zp and the invisible ones of Cf
bool is_hidden(std::uint32_t code) {
  static constexpr std::pair<std::uint32_t, std::uint32_t> ranges[] = {
      {0, 0x1f},        {0x7f, 0x9f},     {0xad, 0xad},     {0x61c, 0x61c},   {0x180e, 0x180e}, {0x200b, 0x200b},
      {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff0, 0xfffb}, {0xe0000, 0xe0fff}};
  return std::ranges::any_of(ranges, [&](const auto& range) { return code >= range.first && code <= range.second; });
}

void append(std::string& out, std::string_view text, const Character& c) {
  if (c.valid && !is_hidden(c.code)) {
    out.append(text.substr(0, c.bytes));
  } else if (c.valid && c.code == '\n') {
    out += "\\n";
  } else if (c.valid && c.code == '\t') {
    out += "\\t";
  } else if (!c.valid || c.code < 0x80) {
    out += fmt::format("\\x{:02x}", c.code);
  } else {
    out += fmt::format("\\u{{{:x}}}", c.code);
  }
}

/// The largest place up to `at` where a character starts.
std::size_t start_before(std::string_view text, std::size_t at) {
  for (std::size_t back = 0; back < 3 && at > back; ++back)
    if ((static_cast<unsigned char>(text[at - back]) & 0xc0) != 0x80) return at - back;
  return at;
}

}  // namespace

std::string printable(std::string_view text, std::size_t most) {
  std::string out;
  if (text.size() > most) {
    // The end of a message says what was expected and found, so that it is worth keeping.
    const std::size_t head = start_before(text, most - most / 3), tail = start_before(text, text.size() - most / 3);
    return fmt::format("{}… ({} bytes) …{}", printable(text.substr(0, head)), text.size(),
                       printable(text.substr(tail)));
  }
  out.reserve(text.size());
  while (!text.empty()) {
    const Character c = first_of(text);
    append(out, text, c);
    text.remove_prefix(c.bytes);
  }
  return out;
}

}  // namespace dit
