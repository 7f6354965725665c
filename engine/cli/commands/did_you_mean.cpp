// SPDX-License-Identifier: MIT
#include "engine/cli/commands/did_you_mean.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "engine/model/text.h"

namespace dit::cli {
namespace {

/// The nearest of `known` if it is near: a third of its letters at most are other ones. Empty if none is.
std::string nearest(std::string_view typed, const std::vector<std::string>& known) {
  std::vector<std::size_t> row;
  std::string best;
  std::size_t least = 64;
  for (const std::string& name : known) {
    const std::u32string word = decode_utf8(name);
    const std::size_t distance = edit_distance(decode_utf8(typed.substr(0, 64)), word, least, row);
    const bool begun = typed.size() >= 2 && name.starts_with(typed);
    if ((distance < least && distance <= std::max<std::size_t>(1, word.size() / 3)) || (begun && best.empty())) {
      best = name;
      least = distance;
    }
  }
  return best;
}

std::string suggest(std::string_view typed, const std::vector<std::string>& known) {
  const std::string best = nearest(typed, known);
  return best.empty() ? "" : fmt::format("; did you mean '{}'?", best);
}

std::vector<std::string> commands_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
}

std::vector<std::string> options_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

}  // namespace

std::string explain(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  const std::vector<std::string> commands = commands_of(app);
  const std::string_view first = argc > 1 ? argv[1] : "";
  if (first.empty()) return fmt::format("expected a command, one of {}", fmt::join(commands, ", "));
  if (std::ranges::find(commands, first) == commands.end()) {
    const auto* what = first.starts_with("-") ? "option" : "command";
    return fmt::format("no {} '{}': expected a command, one of {}{}", what, shorten(first), fmt::join(commands, ", "),
                       suggest(first, first.starts_with("-") ? options_of(app) : commands));
  }
  if (dynamic_cast<const CLI::ExtrasError*>(&error) == nullptr) return error.what();
  for (const CLI::App* command : app.get_subcommands()) {
    for (const std::string& extra : app.remaining(true)) {
      const std::string name = extra.substr(0, extra.find('='));
      if (!name.starts_with("-")) return fmt::format("{}: did not expect '{}'", first, shorten(extra));
      return fmt::format("{}: no option '{}'{}", first, shorten(name), suggest(name, options_of(*command)));
    }
  }
  return error.what();
}

}  // namespace dit::cli
