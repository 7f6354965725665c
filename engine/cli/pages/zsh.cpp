// SPDX-License-Identifier: MIT
#include "engine/cli/pages/zsh.h"

#include <fmt/ranges.h>

namespace dit::cli {
namespace {

constexpr const char* head = R"sh(#compdef dit
# Completion of dit for zsh, made by `dit completion zsh`.
# _dit_lines [OPTIONS of compadd] COMMAND: the lines that dit COMMAND prints, without what an alias stands for.
_dit_lines() {
  local -a lines
  lines=(${(f)"$(_call_program $argv[-1] ${(q)program} $argv[-1] 2>/dev/null)"})
  lines=(${lines%% -> *})
  compadd "${(@)argv[1,-2]}" -a lines
}
_dit() {
  local context state state_descr line program=$words[1]
  typeset -A opt_args
)sh";
// Both for a file in $fpath, whose body is the function's first call, and for one that is sourced.
constexpr const char* tail = R"sh(      esac ;;
  esac
}
if [[ $funcstack[1] == _dit ]]; then
  _dit "$@"
else
  compdef _dit dit
fi
)sh";

std::string single_quoted(const std::string& text) { return quoted(text, '\'', "'\\''"); }

/// Text in which a colon or a bracket would end what _arguments takes for it.
std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == ':' || c == '[' || c == ']' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string action(const Argument& argument) {
  switch (argument.value) {
    case Value::file:
      return "_files";
    case Value::folder:
      return "_files -/";
    case Value::style:
      return "_dit_lines styles";
    case Value::word:
      return "_dit_lines words";
    case Value::choice:
      return fmt::format("({})", fmt::join(argument.choices, " "));
    case Value::none:
    case Value::text:
      break;
  }
  return " ";
}

std::string option_lines(const Command& command, const std::string& indent) {
  std::string text;
  for (const Argument& option : command.options) {
    const std::string others = option.repeated ? "*" : fmt::format("({})", fmt::join(option.names, " "));
    for (const std::string& name : option.names) {
      std::string spec = others + name;
      if (option.value != Value::none && name.starts_with("--")) spec += "=";
      spec += "[" + escaped(option.help) + "]";
      if (option.value != Value::none) spec += ":" + escaped(option.placeholder) + ":" + action(option);
      text += " \\\n" + indent + single_quoted(spec);
    }
  }
  return text;
}

std::string argument_lines(const Command& command, const std::string& indent) {
  std::string text;
  int place = 0;
  for (const Argument& argument : command.arguments) {
    const char* colons = argument.required ? ":" : "::";
    text += " \\\n" + indent +
            single_quoted(std::to_string(++place) + colons + escaped(argument.placeholder) + ":" + action(argument));
  }
  return text;
}

}  // namespace

std::string zsh_completion(const std::vector<Command>& commands) {
  std::string text = head;
  text += "  _arguments -C" + option_lines(commands.front(), "    ") +
          " \\\n    '1:command:->command' \\\n    '*::argument:->arguments'\n  case $state in\n    command)\n" +
          "      local -a commands=(";
  for (const Command& command : commands) {
    if (command.name.empty()) continue;
    text += "\n        " + single_quoted(command.name + ":" + escaped(command.help));
  }
  text += ")\n      _describe command commands ;;\n    arguments)\n      case $words[1] in\n";
  for (const Command& command : commands) {
    if (command.name.empty()) continue;
    text += "        " + command.name + ")\n          _arguments" + option_lines(command, "            ") +
            argument_lines(command, "            ") + " ;;\n";
  }
  return text + tail;
}

}  // namespace dit::cli
