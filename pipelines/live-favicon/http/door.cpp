// SPDX-License-Identifier: MIT
#include "pipelines/live-favicon/http/door.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace favicon::http {
namespace {

/// What the kernel may hold for a visitor who does not read: a few steps, not a whole icon's.
constexpr int send_buffer_bytes = 32 * 1024;
/// Until the next try when the process has no descriptors left.
constexpr guint pause_ms = 100;
constexpr guint tick_ms = 250;

struct Place {
  sockaddr_storage bytes{};
  socklen_t size = sizeof bytes;
};

/// 192.0.2.1 also where it came as ::ffff:192.0.2.1. `network`: of IPv6 only what one visitor does not choose.
std::string host_of(const Place& place, bool network) {
  char text[INET6_ADDRSTRLEN] = "";
  if (place.bytes.ss_family == AF_INET) {
    const auto& four = reinterpret_cast<const sockaddr_in&>(place.bytes);
    inet_ntop(AF_INET, &four.sin_addr, text, sizeof text);
    return text;
  }
  in6_addr six = reinterpret_cast<const sockaddr_in6&>(place.bytes).sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&six)) {
    inet_ntop(AF_INET, six.s6_addr + 12, text, sizeof text);
    return text;
  }
  if (network) std::memset(six.s6_addr + 8, 0, 8);
  inet_ntop(AF_INET6, &six, text, sizeof text);
  return text;
}

unsigned port_of(const Place& place) {
  return ntohs(place.bytes.ss_family == AF_INET ? reinterpret_cast<const sockaddr_in&>(place.bytes).sin_port
                                                : reinterpret_cast<const sockaddr_in6&>(place.bytes).sin6_port);
}

Place place_of(const std::string& address, std::uint16_t port) {
  GSocketAddress* parsed = g_inet_socket_address_new_from_string(address.c_str(), port);
  if (parsed == nullptr) throw std::runtime_error(fmt::format("--listen: expected an IP address, found '{}'", address));
  Place place;
  place.size = static_cast<socklen_t>(g_socket_address_get_native_size(parsed));
  g_socket_address_to_native(parsed, &place.bytes, sizeof place.bytes, nullptr);
  g_object_unref(parsed);
  return place;
}

}  // namespace

Door::Door(DoorLimits limits, std::vector<std::string> names, Bodies bodies, Serve serve)
    : limits_(limits), names_(std::move(names)), bodies_(std::move(bodies)), serve_(std::move(serve)) {
  tick_ = g_timeout_add(
      tick_ms,
      [](gpointer self) {
        static_cast<Door*>(self)->check();
        return gboolean{G_SOURCE_CONTINUE};
      },
      this);
}

Door::~Door() {
  for (const guint source : {watch_, pause_, tick_})
    if (source != 0) g_source_remove(source);
  connections_.clear();
  if (socket_ >= 0) close(socket_);
}

std::string Door::listen(const std::string& address, std::uint16_t port) {
  Place place = place_of(address, port);
  const int on = 1;
  socket_ = socket(place.bytes.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket_ < 0 || setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      bind(socket_, reinterpret_cast<const sockaddr*>(&place.bytes), place.size) != 0 ||
      ::listen(socket_, SOMAXCONN) != 0) {
    throw std::runtime_error(fmt::format("cannot listen at {} port {}: {}", address, port, std::strerror(errno)));
  }
  getsockname(socket_, reinterpret_cast<sockaddr*>(&place.bytes), &place.size);
  const std::string host = host_of(place, false);
  names_.push_back(host);
  open_again();
  const bool six = host.find(':') != std::string::npos;
  return fmt::format("http://{}:{}/", six ? "[" + host + "]" : host, port_of(place));
}

void Door::open_again() {
  watch_ = g_unix_fd_add(
      socket_, G_IO_IN,
      [](gint, GIOCondition, gpointer self) {
        static_cast<Door*>(self)->accept();
        return gboolean{G_SOURCE_CONTINUE};
      },
      this);
}

void Door::accept() {
  // A few at a time: those who are inside have to get on, too.
  for (unsigned k = 0; k < 64 && take_in(); ++k) {
  }
}

/// Returns whether another one may wait.
bool Door::take_in() {
  Place there, here;
  const int socket =
      accept4(socket_, reinterpret_cast<sockaddr*>(&there.bytes), &there.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (socket < 0) {
    if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM) {
      return errno == EINTR || errno == ECONNABORTED;
    }
    // It stays in the kernel's queue; whoever has been idle longest gives his place up, or the next to leave does.
    if (end_idlest(nullptr)) return true;
    if (watch_ != 0) g_source_remove(std::exchange(watch_, 0));
    pause_ = g_timeout_add(
        pause_ms,
        [](gpointer data) {
          auto* self = static_cast<Door*>(data);
          self->pause_ = 0;
          self->open_again();
          return gboolean{G_SOURCE_REMOVE};
        },
        this);
    return false;
  }
  getsockname(socket, reinterpret_cast<sockaddr*>(&here.bytes), &here.size);
  const Connection::Peer peer{host_of(there, true), host_of(here, false)};
  if (!make_room(peer.address)) {
    constexpr std::string_view full =
        "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n";
    (void)send(socket, full.data(), full.size(), MSG_NOSIGNAL);
    shutdown(socket, SHUT_WR);
    close(socket);
    return true;
  }
  setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &send_buffer_bytes, sizeof send_buffer_bytes);
  Connection::Events events;
  events.admit = [this](const Connection& connection, const Request& request) {
    return admit(request, connection.peer().local, names_, bodies_);
  };
  events.serve = serve_;
  events.closed = [this](Connection& connection) {
    std::erase_if(connections_, [&](const auto& one) { return one.get() == &connection; });
  };
  connections_.push_back(
      std::make_unique<Connection>(socket, peer, gint64{limits_.patience_s} * G_USEC_PER_SEC, std::move(events)));
  return true;
}

bool Door::make_room(const std::string& address) {
  std::size_t all = 0, alike = 0;
  for (const auto& one : connections_) {
    if (one->state() == Connection::State::closed) continue;
    ++all;
    alike += one->peer().address == address;
  }
  if (alike >= limits_.per_address) return end_idlest(&address);
  return all < limits_.connections || end_idlest(nullptr);
}

/// Of those who are done, else of those who keep us waiting, the one who has been at it longest. Never one for whom
/// the server is at work. `address`: only of there.
bool Door::end_idlest(const std::string* address) {
  const gint64 now = g_get_monotonic_time();
  Connection* idlest = nullptr;
  gint64 longest = 0;
  for (const auto& one : connections_) {
    if (address != nullptr && one->peer().address != *address) continue;
    const gint64 waited = one->state() == Connection::State::lingering ? G_MAXINT64 : one->waited_us(now);
    const bool reads = one->state() == Connection::State::writing && waited < long_us;
    if (reads || waited <= longest) continue;
    idlest = one.get();
    longest = waited;
  }
  if (idlest != nullptr) idlest->close();
  return idlest != nullptr;
}

void Door::check() {
  const gint64 now = g_get_monotonic_time();
  for (const auto& one : connections_) one->check(now);
}

}  // namespace favicon::http
