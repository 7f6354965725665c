// SPDX-License-Identifier: MIT
// live-favicon: a page whose tab icon is painted before your eyes. See README.md here.
#include <fmt/core.h>
#include <glib-unix.h>

#include <CLI/CLI.hpp>

#include "pipelines/live-favicon/site.h"

namespace {

using favicon::Facts;
using favicon::Limits;
using favicon::Painter;

struct Options {
  Painter painter;
  Limits limits;
  std::string listen = "127.0.0.1";
  unsigned port = 8064;
};

void listen(SoupServer* server, const Options& options) {
  GSocketAddress* address = g_inet_socket_address_new_from_string(options.listen.c_str(), options.port);
  if (address == nullptr) {
    throw std::runtime_error(fmt::format("--listen: expected an IP address, found '{}'", options.listen));
  }
  GError* error = nullptr;
  soup_server_listen(server, address, SoupServerListenOptions(0), &error);
  g_object_unref(address);
  if (error != nullptr) {
    const std::string text = error->message;
    g_error_free(error);
    throw std::runtime_error(fmt::format("cannot listen at {} port {}: {}", options.listen, options.port, text));
  }
  GSList* addresses = soup_server_get_uris(server);
  for (GSList* item = addresses; item != nullptr; item = item->next) {
    gchar* text = g_uri_to_string(static_cast<GUri*>(item->data));
    fmt::print("open {}\n", text);
    g_free(text);
  }
  std::fflush(stdout);
  g_slist_free_full(addresses, [](gpointer uri) { g_uri_unref(static_cast<GUri*>(uri)); });
}

void serve(const Options& options) {
  GstElement* keeper = nullptr;
  const std::unique_ptr<GstElement*, void (*)(GstElement**)> closing(&keeper, [](GstElement** element) {
    if (*element == nullptr) return;
    gst_element_set_state(*element, GST_STATE_NULL);
    gst_object_unref(*element);
  });
  const Facts facts = favicon::open_engine(options.painter, keeper);
  fmt::print("{} on {}\n", facts.model, facts.device);

  GMainLoop* loop = g_main_loop_new(nullptr, FALSE);
  const auto quit = [](gpointer data) {
    g_main_loop_quit(static_cast<GMainLoop*>(data));
    return gboolean{G_SOURCE_CONTINUE};
  };
  g_unix_signal_add(SIGINT, quit, loop);
  g_unix_signal_add(SIGTERM, quit, loop);
  const std::unique_ptr<SoupServer, decltype(&g_object_unref)> server(
      soup_server_new("server-header", "live-favicon", nullptr), g_object_unref);
  {
    favicon::Site site(server.get(), options.painter, facts, options.limits);
    listen(server.get(), options);
    g_main_loop_run(loop);
  }
  favicon::Painting::wait_for_stopped();
  soup_server_disconnect(server.get());
  g_main_loop_unref(loop);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("A page whose tab icon is painted before your eyes", "live-favicon");
  app.add_option("--listen", options.listen, "IP address to listen at; default 127.0.0.1, for this machine alone");
  app.add_option("--port", options.port, "Default 8064; 0 = any free one")->check(CLI::Range(0u, 65535u));
  app.add_option("--device", options.painter.device, "As ditsrc's: auto, cpu, vulkan, ...");
  app.add_option("--model", options.painter.model, "Weight file; default: ditsrc's");
  app.add_option("--visitors", options.limits.visitors, "Who may paint at the same time; default 32")
      ->check(CLI::Range(1u, 10000u));
  app.add_option("--steps", options.limits.steps, "Most steps of an icon; default 64")->check(CLI::Range(1u, 1000u));
  app.add_option("--prompt-length", options.limits.prompt_bytes, "Most bytes of a prompt; default 200")
      ->check(CLI::Range(1u, 4000u));
  CLI11_PARSE(app, argc, argv);
  gst_init(nullptr, nullptr);
  try {
    serve(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "live-favicon: {}\n", error.what());
    return 1;
  }
  return 0;
}
