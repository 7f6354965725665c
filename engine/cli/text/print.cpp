// SPDX-License-Identifier: MIT
#include "engine/cli/text/print.h"

namespace dit::cli {

void put(std::FILE* stream, std::string_view text) noexcept { (void)std::fwrite(text.data(), 1, text.size(), stream); }

void say_lines(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    put(stdout, printable(text.substr(0, end)));
    if (end == std::string_view::npos) return;
    put(stdout, "\n");
    text.remove_prefix(end + 1);
  }
}

}  // namespace dit::cli
