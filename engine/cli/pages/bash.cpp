// SPDX-License-Identifier: MIT
#include "engine/cli/pages/bash.h"

#include <fmt/ranges.h>

namespace dit::cli {
namespace {

// Readline splits words at '=', so that --style=noto comes as three.
constexpr const char* head = R"sh(# Completion of dit for bash, made by `dit completion bash`.
# _dit_names NAME...: those that begin with what is typed.
_dit_names() {
  local name
  for name; do [[ $name == "$word"* ]] && COMPREPLY+=("$name"); done
}
# _dit_lines COMMAND: likewise the lines that dit COMMAND prints, without what an alias stands for.
_dit_lines() {
  local line
  while IFS= read -r line; do
    line=${line%% -> *}
    [[ $line == "$word"* ]] && COMPREPLY+=("$(printf %q "$line")")
  done < <("$program" "$1" 2>/dev/null)
}
_dit() {
  local program=$1 word=$2 before=$3 command=${COMP_WORDS[1]}
  COMPREPLY=()
  if [[ $before == = ]]; then
    before=${COMP_WORDS[COMP_CWORD - 2]}
  elif [[ $word == = ]]; then
    word=
  fi
)sh";

std::string proposal(const Argument& argument) {
  switch (argument.value) {
    case Value::file:
      return "compopt -o default";
    case Value::folder:
      return "compopt -o dirnames";
    case Value::style:
      return "_dit_lines styles";
    case Value::word:
      return "_dit_lines words";
    case Value::choice:
      return fmt::format("_dit_names {}", fmt::join(argument.choices, " "));
    case Value::none:
    case Value::text:
      break;
  }
  return ":";
}

std::string options_text(const Command& command) {
  std::string text;
  for (const Argument& option : command.options) text += fmt::format(" {}", fmt::join(option.names, " "));
  return text;
}

/// What bash proposes where a command's arguments without names stand.
std::string for_arguments(const Command& command) {
  for (const Argument& argument : command.arguments) {
    if (argument.value == Value::file || argument.value == Value::choice) return proposal(argument);
  }
  return ":";
}

/// The branches of `case $command:$before`: what follows an option.
std::string value_branches(const Command& command) {
  std::string text;
  for (const Argument& option : command.options) {
    if (option.value == Value::none) continue;
    std::string pattern;
    for (const std::string& name : option.names) pattern += (pattern.empty() ? "" : " | ") + command.name + ":" + name;
    text += fmt::format("    {}) {}; return ;;\n", pattern, proposal(option));
  }
  return text;
}

}  // namespace

std::string bash_completion(const std::vector<Command>& commands) {
  std::string names, values, words;
  for (const Command& command : commands) {
    if (command.name.empty()) continue;
    names += " " + command.name;
    values += value_branches(command);
    words += fmt::format("    {}:-*) _dit_names{} ;;\n", command.name, options_text(command));
    words += fmt::format("    {}:*) {} ;;\n", command.name, for_arguments(command));
  }
  return fmt::format(
      "{}  if [[ $COMP_CWORD -eq 1 ]]; then\n    _dit_names{}{}\n    return\n  fi\n"
      "  case $command:$before in\n{}  esac\n  case $command:$word in\n{}  esac\n}}\ncomplete -F _dit dit\n",
      head, names, options_text(commands.front()), values, words);
}

}  // namespace dit::cli
