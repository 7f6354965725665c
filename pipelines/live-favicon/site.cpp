// SPDX-License-Identifier: MIT
#include "pipelines/live-favicon/site.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "engine/model/model.h"
#include "pipelines/live-favicon/page.h"

namespace favicon {
namespace {

constexpr std::size_t most_recent = 48;
constexpr GstClockTime opening_limit = 120 * GST_SECOND;

std::string base64(const std::string& bytes) {
  gchar* text = g_base64_encode(reinterpret_cast<const guchar*>(bytes.data()), bytes.size());
  std::string result = text;
  g_free(text);
  return result;
}

std::string error_text(GstMessage* message) {
  GError* error = nullptr;
  gst_message_parse_error(message, &error, nullptr);
  std::string text = error->message;
  g_error_free(error);
  return text;
}

}  // namespace

Facts open_engine(const Painter& painter, GstElement*& keeper) {
  GError* error = nullptr;
  keeper = gst_parse_launch("ditsrc name=paint num-buffers=1 ! fakesink", &error);
  if (error != nullptr) {
    const std::string text = error->message;
    g_error_free(error);
    throw std::runtime_error(text);
  }
  GstElement* paint = gst_bin_get_by_name(GST_BIN(keeper), "paint");
  g_object_set(paint, "device", painter.device.c_str(), nullptr);
  if (!painter.model.empty()) g_object_set(paint, "model-location", painter.model.c_str(), nullptr);
  gst_object_unref(paint);
  gst_element_set_state(keeper, GST_STATE_PAUSED);

  Facts facts;
  std::string failure;
  GstBus* bus = gst_element_get_bus(keeper);
  for (bool painted = false; !painted && failure.empty();) {
    const auto types = static_cast<GstMessageType>(GST_MESSAGE_ELEMENT | GST_MESSAGE_ASYNC_DONE | GST_MESSAGE_ERROR);
    GstMessage* message = gst_bus_timed_pop_filtered(bus, opening_limit, types);
    if (message == nullptr) {
      failure = "the engine did not open in time";
      break;
    }
    const GstStructure* structure = gst_message_get_structure(message);
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) failure = error_text(message);
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ASYNC_DONE) painted = true;
    if (structure != nullptr && gst_structure_has_name(structure, "ditsrc-device")) {
      facts.device = gst_structure_get_string(structure, "name");
      facts.model = gst_structure_get_string(structure, "model");
    }
    gst_message_unref(message);
  }
  gst_object_unref(bus);
  if (!failure.empty()) throw std::runtime_error(failure);
  const auto model = dit::Model::open(facts.model);
  facts.styles = model->config().styles;
  facts.default_steps = model->config().default_steps;
  facts.model = model->config().name;
  return facts;
}

Site::Site(Painter painter, Facts facts, Limits limits, http::DoorLimits door, std::vector<std::string> names)
    : painter_(std::move(painter)),
      facts_(std::move(facts)),
      limits_(limits),
      door_(door, std::move(names),
            [this](http::Connection& connection, const http::Request& request) { serve(connection, request); }) {}

Site::~Site() { visitors_.clear(); }

void Site::serve(http::Connection& connection, const http::Request& request) {
  const std::string& path = request.path;
  try {
    if (path == "/") {
      return connection.answer(200, "text/html; charset=utf-8", page,
                               {{"Content-Security-Policy",
                                 "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
                                 "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
                                 "frame-ancestors 'none'"}});
    }
    if (path == "/status") return connection.answer(200, "application/json", status());
    if (path == "/recent") return connection.answer(200, "application/json", recent(request.query));
    if (path == "/paint") return paint(connection, request, Kind::steps);
    if (path == "/icon.png") return paint(connection, request, Kind::png);
    if (path == "/icon.ico") return paint(connection, request, Kind::ico);
    if (path == "/icon.webp") return paint(connection, request, Kind::webp);
    answer(connection, 404, "there is no such page");
  } catch (const BadRequest& error) {
    answer(connection, 400, error.what());
  } catch (const std::exception& error) {
    answer(connection, 500, error.what());
  }
}

void Site::paint(http::Connection& connection, const http::Request& request, Kind kind) {
  const Wish wish = parse_wish(request.query, limits_, std::min(facts_.default_steps, limits_.steps));
  if (request.method == "HEAD") {
    // What GET would begin with. An icon is too much work for an answer without a body.
    connection.begin_stream(content_type(kind));
    return connection.end();
  }
  // Who comes and leaves at once leaves work behind for a moment, so there is a limit for that as well.
  const bool behind = visitors_.size() + Painting::stopping() > 2 * std::size_t{limits_.visitors};
  if (behind || (visitors_.size() >= limits_.visitors && !make_room())) {
    return answer(connection, 503,
                  fmt::format("{} visitors are painting, as many as may at once: try again soon", visitors_.size()),
                  {{"Retry-After", "2"}});
  }
  visitors_.push_back(std::make_unique<Visitor>(
      connection, painter_, wish, kind,
      [this](const Wish& painted, const std::string& png, double ms) { remember(painted, png, ms); },
      [this](Visitor& visitor) { leave(visitor); }));
}

/// Who does not take what is painted for him gives his place to one who waits for it.
bool Site::make_room() {
  const gint64 now = g_get_monotonic_time();
  const auto slowest = std::max_element(visitors_.begin(), visitors_.end(), [&](const auto& a, const auto& b) {
    return a->waited_us(now) < b->waited_us(now);
  });
  if (slowest == visitors_.end() || (*slowest)->waited_us(now) < http::long_us) return false;
  (*slowest)->send_away();
  visitors_.erase(slowest);
  return true;
}

void Site::remember(const Wish& wish, const std::string& png, double ms) {
  std::erase_if(recent_, [&](const Finished& icon) { return icon.wish == wish; });
  recent_.push_back({++finished_, wish, png, ms});
  if (recent_.size() > most_recent) recent_.pop_front();
}

void Site::leave(const Visitor& visitor) {
  std::erase_if(visitors_, [&](const auto& one) { return one.get() == &visitor; });
}

std::string Site::status() const {
  const nlohmann::json json = {{"device", facts_.device},
                               {"model", facts_.model},
                               {"styles", facts_.styles},
                               {"steps", std::min(facts_.default_steps, limits_.steps)},
                               {"most_steps", limits_.steps},
                               {"most_visitors", limits_.visitors},
                               {"most_prompt_bytes", limits_.prompt_bytes},
                               {"visitors", visitors_.size()},
                               {"icons", finished_}};
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// Icons with a number above `after=N`, oldest first.
std::string Site::recent(const std::string& text) const {
  std::uint64_t after = 0;
  constexpr std::string_view name = "after=";
  if (!text.empty()) {
    const char* end = text.data() + text.size();
    const bool named = text.starts_with(name);
    const auto [at, error] = std::from_chars(text.data() + (named ? name.size() : 0), end, after);
    if (!named || error != std::errc() || at != end) throw BadRequest("expected after=NUMBER");
  }
  nlohmann::json list = nlohmann::json::array();
  for (const Finished& icon : recent_) {
    if (icon.id <= after) continue;
    // A seed may be larger than JavaScript's numbers are exact.
    list.push_back({{"id", icon.id},
                    {"prompt", icon.wish.prompt},
                    {"style", icon.wish.style},
                    {"seed", std::to_string(icon.wish.seed)},
                    {"steps", icon.wish.steps},
                    {"ms", icon.ms},
                    {"png", base64(icon.png)}});
  }
  return list.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace favicon
