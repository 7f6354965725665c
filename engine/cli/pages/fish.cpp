// SPDX-License-Identifier: MIT
#include "engine/cli/pages/fish.h"

#include <fmt/ranges.h>

namespace dit::cli {
namespace {

constexpr const char* head = R"sh(# Completion of dit for fish, made by `dit completion fish`.
# __dit_lines COMMAND: the lines that dit COMMAND prints, without what an alias stands for.
function __dit_lines
    set -l program (commandline -opc)[1]
    command $program $argv 2>/dev/null | string replace -r ' -> .*' ''
end
complete -c dit -f
)sh";

std::string single_quoted(const std::string& text) {
  std::string backslashes;
  for (const char c : text) backslashes += c == '\\' ? "\\\\" : std::string(1, c);
  return quoted(backslashes, '\'', "\\'");
}

/// The switches that say what may follow.
std::string proposal(const Argument& argument) {
  switch (argument.value) {
    case Value::file:
      return " -r -F";
    case Value::folder:
      return " -x -a '(__fish_complete_directories)'";
    case Value::style:
      return " -x -a '(__dit_lines styles)'";
    case Value::word:
      return " -x -a '(__dit_lines words)'";
    case Value::choice:
      return " -x -a " + single_quoted(fmt::format("{}", fmt::join(argument.choices, " ")));
    case Value::text:
      return " -x";
    case Value::none:
      break;
  }
  return "";
}

std::string line(const std::string& condition, const Argument& argument) {
  std::string text = "complete -c dit -n " + single_quoted(condition);
  for (const std::string& name : argument.names) {
    text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  }
  return text + proposal(argument) + " -d " + single_quoted(argument.help) + "\n";
}

}  // namespace

std::string fish_completion(const std::vector<Command>& commands) {
  std::string text = head;
  for (const Command& command : commands) {
    const bool program = command.name.empty();
    const std::string condition = program ? "__fish_use_subcommand" : "__fish_seen_subcommand_from " + command.name;
    if (!program) {
      text +=
          "complete -c dit -n __fish_use_subcommand -a " + command.name + " -d " + single_quoted(command.help) + "\n";
    }
    for (const Argument& option : command.options) text += line(condition, option);
    for (const Argument& argument : command.arguments) {
      if (argument.value == Value::file) text += "complete -c dit -n " + single_quoted(condition) + " -F\n";
      if (argument.value == Value::choice) text += line(condition, argument);
    }
  }
  return text;
}

}  // namespace dit::cli
