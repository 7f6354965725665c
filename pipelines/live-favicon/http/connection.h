// SPDX-License-Identifier: MIT
// One accepted connection: one request, one answer, then it is closed. Everything that the other side does has a time
// limit; what the server itself takes, has none. All on the main loop's thread.
#pragma once

#include <glib.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipelines/live-favicon/http/request.h"

namespace favicon::http {

/// Who does not read for that long is slower than any network that works.
inline constexpr gint64 long_us = G_USEC_PER_SEC;

using Fields = std::vector<std::pair<std::string, std::string>>;

class Connection {
 public:
  enum class State {
    reading,    ///< the request comes in, its head and then its body
    thinking,   ///< what follows is up to the server
    writing,    ///< bytes wait until the other side takes some
    lingering,  ///< all is sent; the other side may still be sending what nobody reads
    closed,
  };
  /// Who is behind the connection, as far as addresses tell.
  struct Peer {
    std::string address;  ///< those that one visitor may choose among are alike: of IPv6, the first 64 bits
    std::string local;    ///< where he came in
  };
  struct Events {
    /// The head of a request is there. Returns the bytes of its body. May throw Refusal.
    std::function<std::size_t(const Connection&, const Request&)> admit;
    /// All of it is there: answer() or begin_stream() now or later.
    std::function<void(Connection&, const Request&)> serve;
    /// The state is `closed`; the connection may be destroyed once this has returned.
    std::function<void(Connection&)> closed;
  };

  /// Owns `socket`, which does not block. `patience_us`: how long a reader may not read; a head has half of it, a body
  /// what it takes at the least speed besides.
  Connection(int socket, Peer peer, gint64 patience_us, Events events);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// The whole answer. For HEAD the body is left out.
  void answer(unsigned status, const std::string& type, const std::string& body, const Fields& fields = {});
  /// An answer in pieces, of which write() sends each at once and end() says that there are no more.
  void begin_stream(const std::string& type);
  void write(const std::string& text);
  void end();
  /// Ends it at once, whatever is under way.
  void close();

  /// Called when what had to wait has left, and when it is over for whatever reason. Neither within a call from
  /// outside.
  void follow(std::function<void()> sent, std::function<void()> over);

  State state() const { return state_; }
  const Peer& peer() const { return peer_; }
  /// Whether the request is HEAD, whose answer has no body.
  bool head_only() const { return head_only_; }
  /// For how long the other side has been at it: sending its request, or not taking what is there. 0: it need not.
  gint64 waited_us(gint64 now_us) const;
  /// Ends it if a limit is over.
  void check(gint64 now_us);

 private:
  void watch(GIOCondition condition);
  void on_ready(GIOCondition condition);
  void read();
  void discard();
  void handle_head();
  void handle_body();
  void flush();
  void linger();
  void tell_later();
  void start(unsigned status, const std::string& type, const Fields& fields);
  void refuse(const Refusal& refusal);

  int socket_;
  Peer peer_;
  gint64 patience_us_;
  Events events_;
  std::function<void()> sent_, over_;
  State state_ = State::reading;
  guint watch_ = 0, telling_ = 0;
  GIOCondition watched_ = GIOCondition(0);

  std::string in_;
  std::optional<Request> request_;  ///< from the end of its head to the end of its body
  std::size_t body_bytes_ = 0;
  std::size_t discarded_ = 0;
  bool head_only_ = false;
  bool chunked_ = false;
  unsigned minor_ = 1;
  bool complete_ = false;  ///< nothing will be added to out_
  std::string out_;
  std::size_t out_at_ = 0;

  gint64 since_us_;              ///< the state began
  gint64 waited_before_us_ = 0;  ///< of writing, the earlier pieces of this answer
  gint64 taken_ = 0;             ///< bytes that have left after they had to wait
};

}  // namespace favicon::http
