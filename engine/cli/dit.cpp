// SPDX-License-Identifier: MIT
// `dit`, the command line: parses, runs one subcommand, turns errors into text and an exit code.
#include <fmt/core.h>

#include <cstdio>
#include <exception>
#include <new>

#include "engine/cli/commands/commands.h"
#include "engine/cli/commands/did_you_mean.h"
#include "engine/error.h"

namespace {

constexpr int exit_failure = 1;
constexpr int exit_usage = 2;
// What a shell reports for a program ended by SIGINT.
constexpr int exit_interrupted = 130;

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
  dit::cli::add_bench(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    fmt::print(stderr, "dit: {}\nTry 'dit --help'.\n", dit::cli::explain(app, e, argc, argv));
    return exit_usage;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const int status = run(argc, argv);
    // A full disk behind a redirection shows up only here.
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
      fmt::print(stderr, "dit: cannot write to standard output\n");
      return exit_failure;
    }
    return status;
  } catch (const dit::Cancelled&) {
    fmt::print(stderr, "dit: interrupted\n");
    return exit_interrupted;
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "dit: out of memory\n");
  } catch (const std::exception& e) {
    fmt::print(stderr, "dit: {}\n", e.what());
  }
  return exit_failure;
}
