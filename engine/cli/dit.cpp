// SPDX-License-Identifier: MIT
// `dit`, the command line: parses, runs one subcommand, turns errors into text and an exit code.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <sstream>

#include "engine/cli/commands/commands.h"
#include "engine/cli/commands/did_you_mean.h"
#include "engine/cli/interrupt.h"
#include "engine/cli/text/print.h"
#include "engine/error.h"

using dit::cli::complain;
using dit::cli::put;

namespace {

constexpr int exit_failure = 1;
constexpr int exit_usage = 2;
// What a shell reports for a program ended by SIGINT.
constexpr int exit_interrupted = 130;

/// A standard stream that is closed would be the next file that is opened, and get what is printed. One that cannot be
/// written to fails as a full disk does.
void occupy_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(stream, F_GETFD) == -1) (void)::open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int run(int argc, char** argv) {
  CLI::App app("Paints icons with a diffusion transformer.", "dit");
  app.set_version_flag("--version", "dit " DIT_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted.\n"
      "`dit COMMAND --help` shows options and examples.");
  dit::cli::add_generate(app);
  dit::cli::add_words(app);
  dit::cli::add_styles(app);
  dit::cli::add_inspect(app);
  dit::cli::add_convert(app);
  dit::cli::add_capture(app);
  dit::cli::add_match(app);
  dit::cli::add_plan(app);
  dit::cli::add_devices(app);
  dit::cli::add_tune(app);
  dit::cli::add_bench(app);
  dit::cli::add_completion(app);
  dit::cli::add_manual(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {
    std::ostringstream text;
    const int status = app.exit(e, text, text);
    put(stdout, text.str());
    return status;
  } catch (const CLI::ParseError& e) {
    complain("dit: {}\nTry 'dit --help'.\n", dit::cli::explain(app, e, argc, argv));
    return exit_usage;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  occupy_standard_streams();
  // Then a write beyond the limit of a file's size is an error with a name, and what was written is removed.
  std::signal(SIGXFSZ, SIG_IGN);
  dit::cli::clean_up_on_signals();
  try {
    const int status = run(argc, argv);
    // A full disk behind a redirection shows up only here.
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
      complain("dit: cannot write to standard output\n");
      return exit_failure;
    }
    return status;
  } catch (const dit::Cancelled&) {
    complain("dit: interrupted\n");
    return exit_interrupted;
  } catch (const std::bad_alloc&) {
    complain("dit: out of memory\n");
  } catch (const std::exception& e) {
    complain("dit: {}\n", e.what());
  }
  return exit_failure;
}
