// SPDX-License-Identifier: MIT
// `dit completion` and `dit manual`: what shells and man read of this program, from the parser itself.
#include <cstdio>

#include <memory>

#include "engine/cli/commands/commands.h"
#include "engine/cli/pages/bash.h"
#include "engine/cli/pages/fish.h"
#include "engine/cli/pages/manual.h"
#include "engine/cli/pages/parser.h"
#include "engine/cli/pages/zsh.h"
#include "engine/cli/text/print.h"

namespace dit::cli {

void add_completion(CLI::App& app) {
  CLI::App* command = app.add_subcommand("completion", "Print a script that completes dit's commands in a shell");
  auto shell = std::make_shared<std::string>();
  const std::vector<std::string> shells = {"bash", "zsh", "fish"};
  propose(command->add_option("shell", *shell, "bash, zsh or fish")->option_text("SHELL"), shells)
      ->required()
      ->check(CLI::IsMember(shells));
  command->footer(
      "Where dit comes from a package, shells find this by themselves.\n"
      "Examples:\n"
      "  dit completion bash > ~/.local/share/bash-completion/completions/dit\n"
      "  dit completion fish > ~/.config/fish/completions/dit.fish\n"
      "  dit completion zsh > _dit    # into a folder of $fpath");
  command->callback([&app, shell] {
    const std::vector<Command> commands = commands_of(app);
    put(stdout, *shell == "bash"  ? bash_completion(commands)
                : *shell == "zsh" ? zsh_completion(commands)
                                  : fish_completion(commands));
  });
}

void add_manual(CLI::App& app) {
  CLI::App* command = app.add_subcommand("manual", "Print the manual page, for man");
  command->group("");
  command->footer("Examples:\n  dit manual | man -l -");
  command->callback([&app] { put(stdout, manual_page(commands_of(app), DIT_VERSION)); });
}

}  // namespace dit::cli
