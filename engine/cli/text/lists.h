// SPDX-License-Identifier: MIT
// Options that are lists, as 1,16. CLI11's own delimiter passes over an element of nothing, as in 1,,16.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "engine/cli/text/numbers.h"

namespace dit::cli {

inline std::vector<std::string> pieces_of(const std::string& list) { return CLI::detail::split(list, ','); }

/// Every element has to pass.
/// check  what is wrong with one, or nothing
inline NumberCheck each_of(NumberCheck check) {
  return [check = std::move(check)](const std::string& list) -> std::string {
    if (list.empty() || list.ends_with(',')) return "expected values between commas, found '" + list + "'";
    for (const std::string& piece : pieces_of(list))
      if (std::string problem = check(piece); !problem.empty()) return problem;
    return {};
  };
}

/// An option that may be given several times, too; what is given takes the place of what `values` had.
template <typename T>
CLI::Option* add_list(CLI::App& command, const std::string& name, std::vector<T>& values, const std::string& help,
                      NumberCheck check) {
  const auto set = [&values](const std::vector<std::string>& lists) {
    values.clear();
    for (const std::string& list : lists)
      for (const std::string& piece : pieces_of(list)) CLI::detail::lexical_cast(piece, values.emplace_back());
  };
  return command.add_option_function<std::vector<std::string>>(name, set, help)->check(each_of(std::move(check)));
}

}  // namespace dit::cli
