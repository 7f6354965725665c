// SPDX-License-Identifier: MIT
#include "pipelines/live-favicon/visitor.h"

#include <fmt/core.h>
#include <sys/socket.h>

#include <memory>
#include <utility>

namespace favicon {
namespace {

/// What the kernel may hold for a visitor who does not read: a few steps, not a whole icon's.
constexpr int send_buffer_bytes = 32 * 1024;

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

}  // namespace

void answer(SoupServerMessage* message, unsigned status, const std::string& text) {
  const std::string line = text + "\n";
  soup_server_message_set_status(message, status, nullptr);
  soup_server_message_set_response(message, "text/plain; charset=utf-8", SOUP_MEMORY_COPY, line.data(), line.size());
}

Visitor::Visitor(SoupServerMessage* message, const Painter& painter, const Wish& wish, Kind kind, Painted painted,
                 Finished finished)
    : message_(SOUP_SERVER_MESSAGE(g_object_ref(message))),
      wish_(wish),
      kind_(kind),
      painted_(std::move(painted)),
      finished_(std::move(finished)) {
  g_signal_connect(message_, "wrote-chunk", G_CALLBACK(on_wrote_chunk), this);
  g_signal_connect(message_, "finished", G_CALLBACK(on_finished), this);
  if (GSocket* socket = soup_server_message_get_socket(message_)) {
    g_socket_set_option(socket, SOL_SOCKET, SO_SNDBUF, send_buffer_bytes, nullptr);
  }
  soup_server_message_pause(message_);
  painting_ = Painting::start(painter, wish, kind, [this] { advance(); });
  if (painting_->ended()) advance();
}

Visitor::~Visitor() {
  painting_->stop();
  g_signal_handlers_disconnect_by_data(message_, this);
  g_object_unref(message_);
}

void Visitor::advance() {
  if (complete_) return;
  if (painting_->failure()) return fail();
  if (kind_ == Kind::steps) {
    advance_stream();
  } else {
    advance_file();
  }
}

/// As soon as there are frames the status is 200; what goes wrong before is an answer of its own.
void Visitor::fail() {
  const Failure& failure = *painting_->failure();
  if (streaming_) {
    write("event: failed\ndata: {\"text\":\"the engine stopped\"}\n\n");
  } else {
    answer(message_, failure.visitors_fault ? SOUP_STATUS_BAD_REQUEST : SOUP_STATUS_INTERNAL_SERVER_ERROR,
           failure.text);
  }
  complete();
}

void Visitor::begin_stream() {
  streaming_ = true;
  soup_server_message_set_status(message_, SOUP_STATUS_OK, nullptr);
  SoupMessageHeaders* headers = soup_server_message_get_response_headers(message_);
  soup_message_headers_set_content_type(headers, content_type(kind_), nullptr);
  soup_message_headers_replace(headers, "Cache-Control", "no-store");
  soup_message_headers_set_encoding(headers, SOUP_ENCODING_CHUNKED);
  soup_message_body_set_accumulate(soup_server_message_get_response_body(message_), FALSE);
}

void Visitor::advance_stream() {
  if (writing_) return;
  if (auto picture = painting_->take()) {
    if (!streaming_) begin_stream();
    ++sent_;
    write(fmt::format("event: step\ndata: {{\"step\":{},\"of\":{},\"png\":\"{}\"}}\n\n", picture->number, wish_.steps,
                      base64(picture->bytes)));
    if (picture->number == wish_.steps) last_ = std::move(picture->bytes);
    return;
  }
  if (!painting_->ended()) return;
  const double ms = painting_->render_ms();
  painted_(wish_, last_, ms);
  write(fmt::format("event: done\ndata: {{\"ms\":{:.1f},\"sent\":{},\"of\":{}}}\n\n", ms, sent_, wish_.steps));
  complete();
}

void Visitor::advance_file() {
  if (!painting_->ended()) return;
  const auto picture = painting_->take();
  if (!picture) {
    answer(message_, SOUP_STATUS_INTERNAL_SERVER_ERROR, "the pipeline ended without a file");
  } else {
    soup_server_message_set_status(message_, SOUP_STATUS_OK, nullptr);
    soup_server_message_set_response(message_, content_type(kind_), SOUP_MEMORY_COPY, picture->bytes.data(),
                                     picture->bytes.size());
  }
  complete();
}

void Visitor::write(const std::string& text) {
  writing_ = true;
  soup_message_body_append(soup_server_message_get_response_body(message_), SOUP_MEMORY_COPY, text.data(), text.size());
  soup_server_message_unpause(message_);
}

void Visitor::complete() {
  complete_ = true;
  if (streaming_) soup_message_body_complete(soup_server_message_get_response_body(message_));
  soup_server_message_unpause(message_);
}

void Visitor::on_wrote_chunk(SoupServerMessage*, gpointer data) {
  auto* self = static_cast<Visitor*>(data);
  self->writing_ = false;
  self->advance();
}

/// Also when the other side has hung up. Ends this object.
void Visitor::on_finished(SoupServerMessage*, gpointer data) {
  auto* self = static_cast<Visitor*>(data);
  const auto finished = self->finished_;
  finished(*self);
}

}  // namespace favicon
