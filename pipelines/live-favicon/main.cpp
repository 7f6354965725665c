// SPDX-License-Identifier: MIT
// live-favicon: a page whose tab icon is painted before your eyes. See README.md here.
#include <fmt/core.h>
#include <glib-unix.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>

#include "engine/cli/text/numbers.h"
#include "engine/printable.h"
#include "pipelines/live-favicon/http/guard.h"
#include "pipelines/live-favicon/site.h"

namespace {

using dit::cli::whole_number;
using favicon::Facts;
using favicon::Limits;
using favicon::Painter;

struct Options {
  Painter painter;
  Limits limits;
  favicon::http::DoorLimits door;
  std::vector<std::string> hosts;
  std::string listen = "127.0.0.1";
  unsigned port = 8064;
};

/// Hosts in the form in which requests are compared with them.
std::vector<std::string> names_of(const Options& options) {
  std::vector<std::string> names = {"localhost"};
  for (const std::string& host : options.hosts) {
    try {
      const bool six = host.find(':') != std::string::npos && !host.starts_with('[');
      const favicon::http::Authority authority = favicon::http::parse_authority(six ? "[" + host + "]" : host);
      if (authority.host.empty() || !authority.port.empty()) throw favicon::http::Refusal(400, "");
      names.push_back(authority.host);
    } catch (const favicon::http::Refusal&) {
      throw std::runtime_error(fmt::format("--host: expected a host name without a port, found '{}'", host));
    }
  }
  return names;
}

/// A process without descriptors can neither accept nor paint, and GLib ends one that cannot wake itself up. So there
/// are never more visitors than there are descriptors for.
void fit_descriptors(Options& options) {
  constexpr rlim_t each_painting = 8;             // four each for one at work and one that ends
  constexpr rlim_t reserve = 12 + each_painting;  // the styles' pictures are nobody's
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const auto open = static_cast<rlim_t>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
  const rlim_t wanted = open + reserve + options.limits.visitors * each_painting + options.door.connections;
  if (limit.rlim_cur < wanted && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = std::min(wanted, limit.rlim_max);
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
  }
  if (limit.rlim_cur >= wanted) return;
  const rlim_t left = limit.rlim_cur > open + reserve ? limit.rlim_cur - open - reserve : 0;
  if (left < each_painting + 2) {
    throw std::runtime_error(fmt::format("expected a limit of at least {} open files (ulimit -n), found {}",
                                         open + reserve + each_painting + 2, limit.rlim_cur));
  }
  const rlim_t painting = std::min<rlim_t>(options.limits.visitors, std::max<rlim_t>(1, left / (2 * each_painting)));
  const rlim_t connections = std::min<rlim_t>(options.door.connections, left - painting * each_painting);
  options.limits.visitors = static_cast<unsigned>(painting);
  options.door.connections = static_cast<unsigned>(connections);
  fmt::print(stderr, "live-favicon: {} open files (ulimit -n) are enough for {} visitors and {} connections\n",
             limit.rlim_cur, painting, connections);
}

/// A pipeline without a thread to stream in waits for one for ever, in a thread of its own: with too many of them there
/// is none left for anybody. So there are never more visitors than there are threads for.
void fit_threads(Options& options) {
  constexpr rlim_t each_visitor = 4;  // a change of state and the stream, of one at work and of one that ends
  constexpr rlim_t reserve = 4;       // the styles' pictures
  rlimit limit{};
  getrlimit(RLIMIT_NPROC, &limit);
  if (limit.rlim_cur == RLIM_INFINITY || geteuid() == 0) return;  // root is not held to it
  const auto own = static_cast<rlim_t>(std::distance(std::filesystem::directory_iterator("/proc/self/task"), {}));
  const rlim_t left = limit.rlim_cur > own + reserve ? limit.rlim_cur - own - reserve : 0;
  const rlim_t painting = std::max<rlim_t>(1, left / each_visitor);
  if (painting >= options.limits.visitors) return;
  options.limits.visitors = static_cast<unsigned>(painting);
  fmt::print(stderr, "live-favicon: {} processes and threads (ulimit -u) are enough for {} visitors\n", limit.rlim_cur,
             painting);
}

void serve(Options options) {
  const std::vector<std::string> names = names_of(options);
  GstElement* keeper = nullptr;
  const std::unique_ptr<GstElement*, void (*)(GstElement**)> closing(&keeper, [](GstElement** element) {
    if (*element == nullptr) return;
    gst_element_set_state(*element, GST_STATE_NULL);
    gst_object_unref(*element);
  });
  Facts facts = favicon::open_engine(options.painter, keeper);
  fmt::print("{} on {}\n", dit::printable(facts.model, dit::name_length), dit::printable(facts.device));
  fit_descriptors(options);
  fit_threads(options);
  if (options.limits.share == 0) options.limits.share = std::max(1U, options.limits.visitors / 4);

  GMainLoop* loop = g_main_loop_new(nullptr, FALSE);
  const auto quit = [](gpointer data) {
    g_main_loop_quit(static_cast<GMainLoop*>(data));
    return gboolean{G_SOURCE_CONTINUE};
  };
  g_unix_signal_add(SIGINT, quit, loop);
  g_unix_signal_add(SIGTERM, quit, loop);
  {
    favicon::Site site(options.painter, std::move(facts), options.limits, options.door, names);
    fmt::print("open {}\n", site.listen(options.listen, static_cast<std::uint16_t>(options.port)));
    std::fflush(stdout);
    g_main_loop_run(loop);
  }
  favicon::Painting::wait_for_stopped();
  g_main_loop_unref(loop);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("A page whose tab icon is painted before your eyes", "live-favicon");
  app.add_option("--listen", options.listen, "IP address to listen at; default 127.0.0.1, for this machine alone");
  app.add_option("--port", options.port, "Default 8064; 0 = any free one")->check(whole_number(0, 65535));
  app.add_option("--host", options.hosts, "Another name by which browsers find this server; may be repeated")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--connections", options.door.connections, "How many there may be; default 128")
      ->check(whole_number(1, 10000));
  app.add_option("--per-address", options.door.per_address, "How many of them from one address; default 64")
      ->check(whole_number(1, 10000));
  app.add_option("--patience", options.door.patience_s,
                 "Seconds that a reader may not read; the head of a request has half of them; default 20")
      ->check(whole_number(1, 3600));
  app.add_option("--device", options.painter.device, "As ditsrc's: auto, cpu, vulkan, ...");
  app.add_option("--model", options.painter.model, "Weight file; default: ditsrc's");
  app.add_option("--visitors", options.limits.visitors, "Who may paint at the same time; default 32")
      ->check(whole_number(1, 10000));
  app.add_option("--visitors-per-address", options.limits.share, "How many of them from one address; default a quarter")
      ->check(whole_number(1, 10000));
  app.add_option("--steps", options.limits.steps, "Most steps of an icon; default 64")->check(whole_number(1, 1000));
  app.add_option("--prompt-length", options.limits.prompt_bytes, "Most bytes of a prompt; default 200")
      ->check(whole_number(1, 4000));
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {
    return app.exit(asked);
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "live-favicon: {}\nTry 'live-favicon --help'.\n", dit::printable(error.what()));
    return 2;
  }
  gst_init(nullptr, nullptr);
  try {
    serve(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "live-favicon: {}\n", dit::printable(error.what()));
    return 1;
  }
  return 0;
}
