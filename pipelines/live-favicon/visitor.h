// SPDX-License-Identifier: MIT
// Answers to one request that paints: a stream of steps, or a file.
#pragma once

#include <libsoup/soup.h>

#include <functional>
#include <memory>
#include <string>

#include "pipelines/live-favicon/painting.h"

namespace favicon {

/// Sets a short answer in plain text.
void answer(SoupServerMessage* message, unsigned status, const std::string& text);

/// Lives until its request is answered or the other side has gone.
class Visitor {
 public:
  /// Told of the finished icon as a PNG file, if the kind is `steps`, before the visitor is.
  using Painted = std::function<void(const Wish& wish, const std::string& png, double ms)>;
  /// Told when it is over; may end this object.
  using Finished = std::function<void(Visitor&)>;

  Visitor(SoupServerMessage* message, const Painter& painter, const Wish& wish, Kind kind, Painted painted,
          Finished finished);
  ~Visitor();
  Visitor(const Visitor&) = delete;
  Visitor& operator=(const Visitor&) = delete;

 private:
  void advance();
  void advance_stream();
  void advance_file();
  void fail();
  void begin_stream();
  void write(const std::string& text);
  void complete();
  static void on_wrote_chunk(SoupServerMessage* message, gpointer self);
  static void on_finished(SoupServerMessage* message, gpointer self);

  SoupServerMessage* message_;
  Wish wish_;
  Kind kind_;
  Painted painted_;
  Finished finished_;
  std::shared_ptr<Painting> painting_;
  bool streaming_ = false;  ///< headers are set
  bool writing_ = false;    ///< a piece is on its way
  bool complete_ = false;
  unsigned sent_ = 0;
  std::string last_;
};

}  // namespace favicon
