// SPDX-License-Identifier: MIT
#include "engine/cli/pages/parser.h"

#include <fmt/ranges.h>

#include <sstream>

namespace dit::cli {
namespace {

constexpr char between_choices = '|';

/// Without what checks of the value add to it.
std::string type_name(const CLI::Option& option) {
  const std::string name = option.get_type_name();
  return name.substr(0, name.find(':'));
}

std::vector<std::string> choices_of(const CLI::Option& option) {
  std::vector<std::string> choices;
  std::istringstream text(type_name(option));
  for (std::string choice; std::getline(text, choice, between_choices);) choices.push_back(choice);
  return choices;
}

Value value_of(const CLI::Option& option) {
  const std::string& text = option.get_option_text();
  if (option.get_items_expected_max() == 0) return Value::none;
  if (text == "FILE") return Value::file;
  if (text == "FOLDER") return Value::folder;
  if (text == "STYLE") return Value::style;
  if (option.check_lname("prompt")) return Value::word;
  return type_name(option).find(between_choices) != std::string::npos ? Value::choice : Value::text;
}

Argument argument_of(const CLI::Option& option) {
  Argument argument;
  for (const std::string& name : option.get_snames()) argument.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) argument.names.push_back("--" + name);
  argument.help = option.get_description();
  argument.value = value_of(option);
  if (argument.value != Value::none) argument.placeholder = option.get_option_text();
  if (argument.value == Value::choice) argument.choices = choices_of(option);
  argument.repeated = option.get_items_expected_max() > 1;
  argument.required = option.get_required();
  return argument;
}

Command command_of(const CLI::App& app) {
  Command command{app.get_parent() != nullptr ? app.get_name() : "", app.get_description(), app.get_footer(), {}, {}};
  for (const CLI::Option* option : app.get_options()) {
    (option->nonpositional() ? command.options : command.arguments).push_back(argument_of(*option));
  }
  return command;
}

}  // namespace

std::vector<Command> commands_of(const CLI::App& app) {
  std::vector<Command> commands = {command_of(app)};
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!command->get_group().empty()) commands.push_back(command_of(*command));
  }
  return commands;
}

CLI::Option* propose(CLI::Option* option, const std::vector<std::string>& choices) {
  // Where there is an option_text, help shows no type: its name is free to carry them.
  return option->type_name(fmt::format("{}", fmt::join(choices, std::string(1, between_choices))));
}

std::string quoted(const std::string& text, char quote, const std::string& escaped) {
  std::string out(1, quote);
  for (const char c : text) c == quote ? out += escaped : out += c;
  return out + quote;
}

}  // namespace dit::cli
