// SPDX-License-Identifier: MIT
#include "pipelines/live-favicon/http/connection.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

namespace favicon::http {
namespace {

/// Who takes or sends less for longer than his patience is cut off; the slowest mobile networks do several times this.
constexpr gint64 least_bytes_per_s = 2048;
/// After the answer, so that the other side sees it before the end: closing earlier would throw it away.
constexpr gint64 linger_us = 2 * G_USEC_PER_SEC;
/// Of what follows a request. Nobody reads it.
constexpr std::size_t most_discarded_bytes = 256 * 1024;

const char* reason(unsigned status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "";
  }
}

/// RFC 9110, 5.6.7; in English whatever the locale.
std::string date() {
  constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", days[utc.tm_wday], utc.tm_mday, months[utc.tm_mon],
                     utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

}  // namespace

Connection::Connection(int socket, Peer peer, gint64 patience_us, Events events)
    : socket_(socket),
      peer_(std::move(peer)),
      patience_us_(patience_us),
      events_(std::move(events)),
      since_us_(g_get_monotonic_time()) {
  watch(G_IO_IN);
}

Connection::~Connection() {
  watch(GIOCondition(0));
  if (telling_ != 0) g_source_remove(telling_);
  if (socket_ >= 0) ::close(socket_);
}

/// One source at a time; 0: none.
void Connection::watch(GIOCondition condition) {
  if (watch_ != 0 && condition == watched_) return;
  if (watch_ != 0) g_source_remove(std::exchange(watch_, 0));
  watched_ = condition;
  if (condition == GIOCondition(0)) return;
  watch_ = g_unix_fd_add(
      socket_, GIOCondition(condition | G_IO_ERR | G_IO_HUP),
      [](gint, GIOCondition ready, gpointer self) {
        static_cast<Connection*>(self)->on_ready(ready);
        return gboolean{G_SOURCE_CONTINUE};
      },
      this);
}

void Connection::on_ready(GIOCondition condition) {
  if ((condition & (G_IO_ERR | G_IO_HUP | G_IO_NVAL)) != 0) return close();
  switch (state_) {
    case State::reading:
      return read();
    case State::writing:
      if ((condition & G_IO_OUT) == 0) return;
      flush();
      if (const auto sent = sent_; sent && state_ == State::thinking) sent();
      return;
    default:
      return discard();
  }
}

void Connection::read() {
  char buffer[4096];
  const ssize_t count = recv(socket_, buffer, sizeof buffer, 0);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0) return close();
  in_.append(buffer, static_cast<std::size_t>(count));
  try {
    if (!request_) handle_head();
    if (request_) handle_body();
  } catch (const Refusal& refusal) {
    refuse(refusal);
  }
}

void Connection::handle_head() {
  const auto end = end_of_head(in_);
  if (!end) return;
  discarded_ = in_.size() - *end;
  state_ = State::thinking;
  head_only_ = in_.starts_with("HEAD ");  // before anything is refused
  Request request = parse_request(std::string_view(in_).substr(0, *end));
  minor_ = request.minor;
  body_bytes_ = events_.admit(*this, request);
  in_.erase(0, *end);
  in_.reserve(body_bytes_);
  const std::string* expect = request.find("expect");
  request_ = std::move(request);
  if (in_.size() >= body_bytes_) return;
  state_ = State::reading;
  // Nothing has been sent before, so that the kernel has room for it; who waits for it in vain sends in the end.
  constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
  if (expect != nullptr && minor_ > 0) (void)send(socket_, go_on.data(), go_on.size(), MSG_NOSIGNAL);
}

void Connection::handle_body() {
  if (in_.size() < body_bytes_) return;
  state_ = State::thinking;
  discarded_ = in_.size() - body_bytes_;
  in_.resize(body_bytes_);
  Request request = std::move(*request_);
  request.body = std::exchange(in_, {});
  watch(G_IO_IN);
  events_.serve(*this, request);
}

void Connection::refuse(const Refusal& refusal) {
  Fields fields;
  if (!refusal.allow().empty()) fields.emplace_back("Allow", refusal.allow());
  answer(refusal.status(), "text/plain; charset=utf-8", std::string(refusal.what()) + "\n", fields);
}

/// What comes after the request is none of ours. Who closes while we think has left.
void Connection::discard() {
  char buffer[16384];
  const ssize_t count = recv(socket_, buffer, sizeof buffer, 0);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0) return close();
  discarded_ += static_cast<std::size_t>(count);
  if (discarded_ > most_discarded_bytes) close();
}

void Connection::start(unsigned status, const std::string& type, const Fields& fields) {
  out_ += fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\nServer: live-favicon\r\nConnection: close\r\nContent-Type: {}\r\n",
                      status, reason(status), date(), type);
  out_ +=
      "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: same-origin\r\n"
      "Cross-Origin-Resource-Policy: same-origin\r\n";
  bool policy = false;
  for (const auto& [name, value] : fields) {
    out_ += fmt::format("{}: {}\r\n", name, value);
    policy = policy || name == "Content-Security-Policy";
  }
  if (!policy) out_ += "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n";
}

void Connection::answer(unsigned status, const std::string& type, const std::string& body, const Fields& fields) {
  if (state_ == State::closed) return;
  start(status, type, fields);
  out_ += fmt::format("Content-Length: {}\r\n\r\n", body.size());
  if (!head_only_) out_ += body;
  complete_ = true;
  flush();
}

void Connection::begin_stream(const std::string& type) {
  if (state_ == State::closed) return;
  start(200, type, {});
  chunked_ = minor_ > 0 && !head_only_;
  out_ += minor_ > 0 ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n";
}

void Connection::write(const std::string& text) {
  if (state_ == State::closed || text.empty() || head_only_) return;
  if (chunked_) out_ += fmt::format("{:x}\r\n", text.size());
  out_ += text;
  if (chunked_) out_ += "\r\n";
  flush();
}

void Connection::end() {
  if (state_ == State::closed) return;
  if (chunked_) out_ += "0\r\n\r\n";
  complete_ = true;
  flush();
}

void Connection::flush() {
  while (out_at_ < out_.size()) {
    const ssize_t count = send(socket_, out_.data() + out_at_, out_.size() - out_at_, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) {
      if (state_ != State::writing) since_us_ = g_get_monotonic_time();
      state_ = State::writing;
      return watch(G_IO_OUT);
    }
    if (count < 0) return close();
    out_at_ += static_cast<std::size_t>(count);
    // What fits into the kernel's buffer at once, nobody has read.
    if (state_ == State::writing) taken_ += count;
  }
  const gint64 now = g_get_monotonic_time();
  if (state_ == State::writing) waited_before_us_ += now - since_us_;
  out_.clear();
  out_at_ = 0;
  if (complete_) return linger();
  state_ = State::thinking;
  since_us_ = now;
  watch(G_IO_IN);
}

void Connection::linger() {
  out_ = {};
  state_ = State::lingering;
  since_us_ = g_get_monotonic_time();
  shutdown(socket_, SHUT_WR);
  watch(G_IO_IN);
  tell_later();
}

void Connection::close() {
  if (state_ == State::closed) return;
  state_ = State::closed;
  watch(GIOCondition(0));
  ::close(std::exchange(socket_, -1));
  tell_later();
}

/// Whoever is told may be the one whose call has brought us here, and may end us: so not before he has returned.
void Connection::tell_later() {
  sent_ = nullptr;
  if (telling_ != 0) return;
  telling_ = g_idle_add_full(
      G_PRIORITY_HIGH,
      [](gpointer data) {
        auto* self = static_cast<Connection*>(data);
        self->telling_ = 0;
        if (const auto over = std::exchange(self->over_, nullptr)) over();
        if (self->state_ == State::closed) self->events_.closed(*self);
        return gboolean{G_SOURCE_REMOVE};
      },
      this, nullptr);
}

void Connection::follow(std::function<void()> sent, std::function<void()> over) {
  sent_ = std::move(sent);
  over_ = std::move(over);
}

gint64 Connection::waited_us(gint64 now_us) const {
  return state_ == State::reading || state_ == State::writing ? now_us - since_us_ : 0;
}

void Connection::check(gint64 now_us) {
  const gint64 waited = now_us - since_us_;
  const gint64 sending = patience_us_ / 2 + static_cast<gint64>(body_bytes_) * G_USEC_PER_SEC / least_bytes_per_s;
  if (state_ == State::reading && waited > sending) {
    if (in_.empty() && !request_) return close();
    return refuse(Refusal(408, "the request took too long"));
  }
  if (state_ == State::lingering && waited > std::min(linger_us, patience_us_ / 2)) return close();
  const gint64 allowed = patience_us_ + taken_ * G_USEC_PER_SEC / least_bytes_per_s;
  if (state_ == State::writing && waited_before_us_ + waited > allowed) return close();
}

}  // namespace favicon::http
