// SPDX-License-Identifier: MIT
#include "tests/fuzz/server.h"

#include <fcntl.h>
#include <glib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "pipelines/live-favicon/http/connection.h"
#include "pipelines/live-favicon/http/guard.h"
#include "pipelines/live-favicon/wish.h"

namespace dit::fuzz {
namespace {

using favicon::http::Connection;
using favicon::http::Request;

[[noreturn]] void finding(const char* what) {
  std::fprintf(stderr, "finding: %s\n", what);
  std::abort();
}

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

/// Short, so that a fuzzer finds whole ones.
constexpr std::size_t drawing_bytes = 16;
const favicon::http::Bodies bodies = {{"/draw.png", {"application/octet-stream", drawing_bytes}}};

/// What must hold of a request that is served with a body.
void check_body(std::string_view head, std::string_view rest, const std::string& body) {
  const std::string_view line = head.substr(0, head.find('\r'));
  if (line.find("/draw.png") == std::string_view::npos) finding("a body where none is taken");
  if (body != rest.substr(0, drawing_bytes) || body.size() != drawing_bytes) finding("a body that was not sent so");
  if (count(head, "\r\ncontent-length:") != 1) finding("a body without one length");
  if (count(head, "\r\ncontent-type:") != 1) finding("a body without one type");
  if (count(head, "application/octet-stream") == 0) finding("a body of another type");
}

/// What must hold of the bytes of any request that is served, read here without the server's reader.
void check_served(std::string_view sent, const Request& request) {
  const std::size_t end = sent.find("\r\n\r\n");
  const std::string head = favicon::http::lower(sent.substr(0, end + 2));
  const bool drawn = head.starts_with("post ");
  if (!drawn && !head.starts_with("get ") && !head.starts_with("head ")) finding("a method that nobody serves");
  if (sent.starts_with("POST ") != drawn) finding("a method in lower case");
  if (drawn) check_body(head, sent.substr(end + 4), request.body);
  if (!drawn && !request.body.empty()) finding("a body without POST");
  if (count(head, "\r\nhost:") != 1) finding("not one Host");
  if (count(head, "\n") != count(head, "\r\n") || count(head, "\r") != count(head, "\r\n")) finding("a bare CR or LF");
  if (count(head, "\r\n ") + count(head, "\r\n\t") != 0) finding("a folded line");
  if (count(head, "\r\ntransfer-encoding:") != 0) finding("a body");
  if (count(head, "\r\ncontent-length:") > 1) finding("two lengths");
  if (head.find('\0') != std::string::npos) finding("a zero byte");
  const std::size_t host = head.find("\r\nhost:") + 7;
  const std::string_view value = std::string_view(head).substr(host, head.find('\r', host) - host);
  if (value.find("127.0.0.1") == std::string_view::npos && value.find("localhost") == std::string_view::npos) {
    finding("a Host that is none of ours");
  }
}

/// As the site does, without an engine: a file, a stream, or the reason why not.
void serve(Connection& connection, const Request& request, std::string_view sent) {
  check_served(sent, request);
  try {
    const favicon::Wish wish = favicon::parse_wish(request.query, {}, 4, request.method == "POST");
    if (wish.steps < 1 || wish.steps > 64 || wish.prompt.size() > 200) finding("a wish beyond the limits");
    if (wish.sketch.has_value() != (request.method == "POST")) finding("a sketch of somebody else");
    if (wish.sketch && !(wish.sketch->strength >= 0 && wish.sketch->strength <= 1))
      finding("a strength beyond the limits");
    if (request.path == "/paint") {
      connection.begin_stream("text/event-stream");
      for (unsigned k = 0; k < wish.steps; ++k) connection.write(std::string(4000, 'x'));
      return connection.end();
    }
    connection.answer(200, "text/plain", wish.prompt);
  } catch (const favicon::BadRequest& error) {
    connection.answer(400, "text/plain", error.what());
  }
}

std::string received(int socket) {
  std::string all;
  char buffer[16384];
  for (ssize_t got; (got = recv(socket, buffer, sizeof buffer, MSG_DONTWAIT)) > 0;)
    all.append(buffer, static_cast<std::size_t>(got));
  return all;
}

void check_answer(std::string_view answer) {
  if (answer.empty()) return;
  constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
  if (answer.starts_with(go_on)) answer.remove_prefix(go_on.size());
  if (answer.empty()) return;
  if (!answer.starts_with("HTTP/1.1 ")) finding("an answer without a status");
  const std::string_view head = answer.substr(0, answer.find("\r\n\r\n"));
  if (head.size() == answer.size()) finding("an answer without an end of its head");
  if (head.find("frame-ancestors 'none'") == std::string_view::npos) finding("an answer without a policy");
}

}  // namespace

void ask_server(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  const std::string_view sent(reinterpret_cast<const char*>(bytes.data()) + 1, bytes.size() - 1);
  // Each piece is a turn of the main loop, so there are not more than a few of them.
  const std::size_t piece = std::max(std::to_integer<std::size_t>(bytes[0]) * 16 + 1, sent.size() / 64 + 1);
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
  std::unique_ptr<Connection> connection;
  Connection::Events events;
  events.admit = [](const Connection&, const Request& request) {
    return favicon::http::admit(request, "127.0.0.1", {"localhost"}, bodies);
  };
  events.serve = [&](Connection& one, const Request& request) { serve(one, request, sent); };
  events.closed = [&](Connection&) { connection.reset(); };
  connection = std::make_unique<Connection>(ends[0], Connection::Peer{"127.0.0.1", "127.0.0.1"},
                                            gint64{10} * G_USEC_PER_SEC, std::move(events));
  std::string answer;
  const auto turn = [&] {
    while (g_main_context_iteration(nullptr, FALSE)) answer += received(ends[1]);
    answer += received(ends[1]);
  };
  for (std::size_t at = 0; at < sent.size() && connection; at += piece) {
    const std::string_view part = sent.substr(at, piece);
    if (send(ends[1], part.data(), part.size(), MSG_NOSIGNAL) < 0) break;
    turn();
  }
  shutdown(ends[1], SHUT_WR);
  turn();
  if (connection) finding("a connection that outlives the other side");
  check_answer(answer);
  close(ends[1]);
}

}  // namespace dit::fuzz
