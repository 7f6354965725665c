// SPDX-License-Identifier: MIT
#include "engine/cli/pages/manual.h"

#include <fmt/ranges.h>

#include <sstream>

#include "engine/model/text.h"

namespace dit::cli {
namespace {

struct Variable {
  const char* name;
  const char* what;
};

// Every variable that the engine reads, so also those of an executor; tests/scripts/installed/pages_test.py compares.
constexpr Variable variables[] = {
    {"DIT_MODEL", "Weight file of commands that are told none."},
    {"DIT_LEXICON",
     "Lexicon of words that a model has not. Unset: lexicon.bin beside the weights, else the installed one."},
    {"DIT_CACHE",
     "Folder in which compiled kernels are kept from run to run; it may be emptied at any time. Empty: nothing is "
     "kept. "
     "Unset: ditsrc in $XDG_CACHE_HOME, else in ~/.cache."},
    {"XDG_CACHE_HOME", "See DIT_CACHE."},
    {"HOME", "See DIT_CACHE."},
    {"DIT_SHADER_DIR",
     "Folder of GPU kernels in source, compiled when they are first used and again whenever they are edited; needs "
     "fusion none or op."},
    {"DIT_MATRIX",
     "Which matrix extension of a GPU serves f16-matrix: nv takes VK_NV_cooperative_matrix, emulated neither; for "
     "tests."},
    {"DIT_VULKAN_VALIDATION",
     "1 turns the Khronos validation layer on, gpu its checks inside kernels; 0 or unset: neither."},
};

/// Plain text as roff: backslashes, hyphens and what is not ASCII escaped, no line taken for a request.
std::string roff(const std::string& text) {
  std::string out;
  for (const char32_t c : decode_utf8(text)) {
    if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if (c < 0x80) {
      out += static_cast<char>(c);
    } else {
      out += fmt::format("\\[u{:04X}]", static_cast<std::uint32_t>(c));
    }
  }
  return out;
}

std::string option_text(const Argument& option) {
  std::string names;
  for (const std::string& name : option.names) names += (names.empty() ? "\\fB" : "\\fR, \\fB") + roff(name);
  return names + (option.placeholder.empty() ? "\\fR" : " \\fI" + roff(option.placeholder) + "\\fR");
}

std::string synopsis(const Command& command) {
  std::string text = "\\fBdit " + roff(command.name) + "\\fR";
  if (!command.options.empty()) text += " [\\fIoption\\fR ...]";
  for (const Argument& argument : command.arguments) {
    const std::string name = "\\fI" + roff(argument.placeholder) + "\\fR";
    text += argument.required ? " " + name : " [" + name + "]";
  }
  return text;
}

std::string arguments_text(const Command& command) {
  std::string text;
  for (const Argument& argument : command.arguments) {
    text += ".TP\n\\fI" + roff(argument.placeholder) + "\\fR\n" + roff(argument.help) + ".\n";
  }
  for (const Argument& option : command.options) {
    text += ".TP\n" + option_text(option) + "\n" + roff(option.help) + ".\n";
  }
  return text;
}

/// What a command says below its options: paragraphs, with examples, which are indented, as they stand.
std::string footer_text(const std::string& footer) {
  std::istringstream lines(footer);
  std::string text;
  bool example = false;
  for (std::string line; std::getline(lines, line);) {
    const bool indented = line.starts_with("  ");
    if (indented != example) text += indented ? ".PP\n.RS\n.nf\n" : ".fi\n.RE\n";
    if (!indented) text += ".PP\n";
    text += roff(indented ? line.substr(2) : line) + "\n";
    example = indented;
  }
  return text + (example ? ".fi\n.RE\n" : "");
}

}  // namespace

std::string manual_page(const std::vector<Command>& commands, const std::string& version) {
  const Command& program = commands.front();
  std::string text = fmt::format(".TH DIT 1 \"\" \"ditsrc {}\" \"User Commands\"\n", roff(version));
  text += ".SH NAME\ndit \\- paints icons with a diffusion transformer\n.SH SYNOPSIS\n";
  text += "\\fBdit\\fR \\fIcommand\\fR [\\fIoption\\fR ...]\n.SH DESCRIPTION\n" + roff(program.help) + "\n";
  text +=
      ".PP\nYou give it words and a style; it answers with PNG files of 64x64 pixels with transparency. The same "
      "model, words, style, seed and index give the same icon again.\n";
  text += ".SH OPTIONS\n" + arguments_text(program) + ".SH COMMANDS\n";
  for (const Command& command : commands) {
    if (command.name.empty()) continue;
    text += ".SS " + roff(command.name) + "\n" + synopsis(command) + "\n.PP\n" + roff(command.help) + ".\n";
    text += arguments_text(command) + footer_text(command.footer);
  }
  text += ".SH ENVIRONMENT\n";
  for (const Variable& variable : variables) {
    text += fmt::format(".TP\n.B {}\n{}\n", roff(variable.name), roff(variable.what));
  }
  text += ".SH EXIT STATUS\n" + footer_text(program.footer);
  return text + ".SH SEE ALSO\n.BR ditsrc (7),\n.BR gst\\-launch\\-1.0 (1)\n";
}

}  // namespace dit::cli
