// SPDX-License-Identifier: MIT
// What the command line's parser knows of its commands, in the shape in which manual and completions are written.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace dit::cli {

/// What stands after an option or as an argument, for whoever proposes it.
enum class Value {
  none,  ///< a flag
  text,  ///< nothing can be proposed: numbers, free text
  file,
  folder,
  style,   ///< a line of `dit styles`
  word,    ///< a line of `dit words`
  choice,  ///< one of Argument::choices
};

struct Argument {
  std::vector<std::string> names;  ///< "-p", "--prompt"; empty where its place alone says what it is
  std::string placeholder;         ///< "FILE"; empty for a flag
  std::string help;
  Value value = Value::none;
  std::vector<std::string> choices;
  bool repeated = false;
  bool required = false;
};

struct Command {
  std::string name;  ///< empty: the program itself
  std::string help;
  std::string footer;
  std::vector<Argument> options;
  std::vector<Argument> arguments;  ///< without names, in their order
};

/// The program itself, then its commands, without those of no group: they are not for people.
std::vector<Command> commands_of(const CLI::App& app);

/// Has completions propose these values; the help text says them in its own words. The option has an option_text.
CLI::Option* propose(CLI::Option* option, const std::vector<std::string>& choices);

/// `text` between two marks of `quote`, with `escaped` in place of each such mark in it.
std::string quoted(const std::string& text, char quote, const std::string& escaped);

}  // namespace dit::cli
