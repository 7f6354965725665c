// SPDX-License-Identifier: MIT
// Answers to one request that paints: a stream of steps, or a file.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "pipelines/live-favicon/http/connection.h"
#include "pipelines/live-favicon/painting.h"

namespace favicon {

const char* content_type(Kind kind);

std::string base64(const std::string& bytes);

/// Sets a short answer in plain text.
void answer(http::Connection& connection, unsigned status, const std::string& text, const http::Fields& fields = {});

/// Lives until its request is answered or the other side has gone.
class Visitor {
 public:
  /// Told of the finished icon as a PNG file, if the kind is `steps`, before the visitor is.
  using Painted = std::function<void(const Wish& wish, const std::string& png, double ms)>;
  /// Told when it is over; may end this object.
  using Finished = std::function<void(Visitor&)>;

  /// `share`: see Painting::start().
  Visitor(http::Connection& connection, const Painter& painter, const Wish& wish, Kind kind,
          std::shared_ptr<const void> share, Painted painted, Finished finished);
  ~Visitor();
  Visitor(const Visitor&) = delete;
  Visitor& operator=(const Visitor&) = delete;

  const std::string& address() const { return connection_.peer().address; }
  /// For how long he has not taken what is there; 0: he need not.
  gint64 waited_us(gint64 now_us) const { return connection_.waited_us(now_us); }
  /// finished() follows.
  void send_away() { connection_.close(); }
  /// Whether this is what the page `page` drew last and still waits for.
  bool draws(const std::string& page) const {
    return !complete_ && !page.empty() && wish_.sketch && wish_.sketch->page == page;
  }
  /// Answers that there is a newer drawing. finished() does not follow.
  void replace();

 private:
  void advance();
  void advance_stream();
  void advance_file();
  void advance_head();
  void fail();

  http::Connection& connection_;
  Wish wish_;
  Kind kind_;
  Painted painted_;
  Finished finished_;
  std::shared_ptr<Painting> painting_;
  bool streaming_ = false;  ///< the head of the answer has been sent
  bool complete_ = false;
  unsigned sent_ = 0;
  std::string last_;
};

}  // namespace favicon
