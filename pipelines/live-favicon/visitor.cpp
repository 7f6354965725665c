// SPDX-License-Identifier: MIT
#include "pipelines/live-favicon/visitor.h"

#include <fmt/core.h>

#include <memory>
#include <utility>

namespace favicon {

std::string base64(const std::string& bytes) {
  const std::unique_ptr<gchar, decltype(&g_free)> text(
      g_base64_encode(reinterpret_cast<const guchar*>(bytes.data()), bytes.size()), g_free);
  return text.get();
}

const char* content_type(Kind kind) {
  switch (kind) {
    case Kind::steps:
      return "text/event-stream";
    case Kind::png:
      return "image/png";
    case Kind::ico:
      return "image/vnd.microsoft.icon";
    case Kind::webp:
      return "image/webp";
  }
  return "";
}

void answer(http::Connection& connection, unsigned status, const std::string& text, const http::Fields& fields) {
  connection.answer(status, "text/plain; charset=utf-8", text + "\n", fields);
}

Visitor::Visitor(http::Connection& connection, const Painter& painter, const Wish& wish, Kind kind,
                 std::shared_ptr<const void> share, Painted painted, Finished finished)
    : connection_(connection), wish_(wish), kind_(kind), painted_(std::move(painted)), finished_(std::move(finished)) {
  connection_.follow([this] { advance(); },
                     [this] {
                       // A copy: the call ends this object.
                       const auto over = finished_;
                       over(*this);
                     });
  painting_ = Painting::start(
      painter, wish, kind, [this] { advance(); }, std::move(share));
  if (painting_->ended()) advance();
}

Visitor::~Visitor() {
  connection_.follow(nullptr, nullptr);
  painting_->stop();
}

void Visitor::replace() {
  complete_ = true;
  connection_.follow(nullptr, nullptr);
  answer(connection_, 409, "a newer drawing of the same page is painted instead");
}

void Visitor::advance() {
  if (complete_ || connection_.state() != http::Connection::State::thinking) return;
  if (painting_->failure()) return fail();
  if (connection_.head_only()) {
    advance_head();
  } else if (kind_ == Kind::steps) {
    advance_stream();
  } else {
    advance_file();
  }
}

/// As soon as there are frames the status is 200; what goes wrong before is an answer of its own.
void Visitor::fail() {
  complete_ = true;
  const Failure& failure = *painting_->failure();
  if (!streaming_) return answer(connection_, failure.visitors_fault ? 400 : 500, failure.text);
  connection_.write("event: failed\ndata: {\"text\":\"the engine stopped\"}\n\n");
  connection_.end();
}

void Visitor::advance_stream() {
  while (auto picture = painting_->take()) {
    if (!streaming_) connection_.begin_stream(content_type(kind_));
    streaming_ = true;
    ++sent_;
    connection_.write(fmt::format("event: step\ndata: {{\"step\":{},\"of\":{},\"png\":\"{}\"}}\n\n", picture->number,
                                  wish_.steps, base64(picture->bytes)));
    if (picture->number == wish_.steps) last_ = std::move(picture->bytes);
    if (connection_.state() != http::Connection::State::thinking) return;
  }
  if (!painting_->ended()) return;
  complete_ = true;
  if (!streaming_) return answer(connection_, 500, "the pipeline ended without a picture");
  const double ms = painting_->render_ms();
  if (!last_.empty()) painted_(wish_, last_, ms);
  connection_.write(
      fmt::format("event: done\ndata: {{\"ms\":{:.1f},\"sent\":{},\"of\":{}}}\n\n", ms, sent_, wish_.steps));
  connection_.end();
}

/// What GET would begin with, as soon as there is anything of which it could be.
void Visitor::advance_head() {
  const bool painted = painting_->take().has_value();
  if (!painted && !painting_->ended()) return;
  complete_ = true;
  if (!painted) return answer(connection_, 500, "the pipeline ended without a picture");
  connection_.begin_stream(content_type(kind_));
  connection_.end();
}

void Visitor::advance_file() {
  if (!painting_->ended()) return;
  complete_ = true;
  const auto picture = painting_->take();
  if (!picture) return answer(connection_, 500, "the pipeline ended without a file");
  connection_.answer(200, content_type(kind_), picture->bytes);
}

}  // namespace favicon
