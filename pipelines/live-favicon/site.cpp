// SPDX-License-Identifier: MIT
#include "pipelines/live-favicon/site.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "engine/model/model.h"
#include "pipelines/live-favicon/page.h"

namespace favicon {
namespace {

constexpr std::size_t most_recent = 48;
constexpr GstClockTime opening_limit = 120 * GST_SECOND;
/// Scripts and styles of the page itself and of nobody else; "blob:" is a picture that somebody drops on the sketch.
constexpr const char* page_policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";
/// Four bytes a pixel say nothing of what they are, and a browser sends them to another site only if that one agrees.
constexpr const char* sketch_type = "application/octet-stream";

struct Place {
  const char* path;
  Kind kind;
  bool drawn;
};
constexpr Place painting_places[] = {
    {"/paint", Kind::steps, false},    {"/icon.png", Kind::png, false}, {"/icon.ico", Kind::ico, false},
    {"/icon.webp", Kind::webp, false}, {"/draw.png", Kind::png, true},  {"/draw.ico", Kind::ico, true},
    {"/draw.webp", Kind::webp, true},
};

http::Bodies bodies_of(const Painter& painter) {
  http::Bodies bodies;
  for (const Place& place : painting_places)
    if (place.drawn) bodies[place.path] = {sketch_type, std::size_t{4} * painter.width * painter.height};
  return bodies;
}

/// Quick to paint, and told apart at a glance.
Wish thumbnail_of(const Facts& facts, const Limits& limits) {
  Wish wish;
  const auto& words = facts.file->config().words;
  if (std::ranges::find(words, "rocket") != words.end()) wish.prompt = "rocket";
  wish.seed = 1;
  wish.steps = std::min(facts.default_steps, limits.steps);
  return wish;
}

/// N of "after=N"; 0 of an empty query.
std::uint64_t parse_after(const std::string& query) {
  std::uint64_t after = 0;
  constexpr std::string_view name = "after=";
  if (query.empty()) return after;
  const char* end = query.data() + query.size();
  const bool named = query.starts_with(name);
  const auto [at, error] = std::from_chars(query.data() + (named ? name.size() : 0), end, after);
  if (!named || error != std::errc() || at != end) throw BadRequest("expected after=NUMBER");
  return after;
}

/// The one that the plugin of the same build reads.
std::filesystem::path lexicon_path() {
  std::error_code ignored;
  const auto here = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  return here / DIT_LEXICON_FROM_BUILT;
}

std::string error_text(GstMessage* message) {
  GError* error = nullptr;
  gst_message_parse_error(message, &error, nullptr);
  std::string text = error->message;
  g_error_free(error);
  return text;
}

}  // namespace

Facts open_engine(Painter& painter, GstElement*& keeper) {
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
  facts.file = dit::Model::open(facts.model, lexicon_path());
  const dit::ModelConfig& config = facts.file->config();
  facts.styles = config.styles;
  facts.default_steps = config.default_steps;
  facts.model = config.name;
  painter.width = config.width;
  painter.height = config.height;
  return facts;
}

Site::Site(Painter painter, Facts facts, Limits limits, http::DoorLimits door, std::vector<std::string> names)
    : painter_(std::move(painter)),
      facts_(std::move(facts)),
      limits_(limits),
      words_(facts_.file),
      readers_(words_),
      thumbnails_(painter_, thumbnail_of(facts_, limits_), facts_.styles),
      door_(door, std::move(names), bodies_of(painter_),
            [this](http::Connection& connection, const http::Request& request) { serve(connection, request); }) {}

Site::~Site() { visitors_.clear(); }

void Site::serve(http::Connection& connection, const http::Request& request) {
  const std::string& path = request.path;
  try {
    for (const PageFile& file : page_files)
      if (path == file.path) {
        return connection.answer(200, file.type, file.text, {{"Content-Security-Policy", page_policy}});
      }
    for (const Place& place : painting_places)
      if (path == place.path) return paint(connection, request, place.kind);
    const auto json = [&](const std::string& text) { connection.answer(200, "application/json", text); };
    if (path == "/status") return json(status());
    if (path == "/recent") return json(recent(request.query));
    if (path == "/words") return json(words_.list());
    if (path == "/read") return readers_.add(connection, parse_only(request.query, "prompt", limits_.prompt_bytes));
    if (path == "/styles") return json(thumbnails_.list(parse_after(request.query)));
    answer(connection, 404, "there is no such page");
  } catch (const BadRequest& error) {
    answer(connection, 400, error.what());
  } catch (const std::exception& error) {
    answer(connection, 500, error.what());
  }
}

void Site::paint(http::Connection& connection, const http::Request& request, Kind kind) {
  const bool drawn = request.method == "POST";
  Wish wish = parse_wish(request.query, limits_, std::min(facts_.default_steps, limits_.steps), drawn);
  if (drawn) {
    wish.sketch->pixels = request.body;
    forget_older(wish.sketch->page);
  }
  // What GET would begin with is known after a step. An icon is too much work for an answer without a body.
  if (request.method == "HEAD") wish.steps = 1;
  const std::string& address = connection.peer().address;
  if (const std::string full = who_is_in_the_way(address); !full.empty()) {
    return answer(connection, 503, full + " painting, as many as may at once: try again soon", {{"Retry-After", "2"}});
  }
  visitors_.push_back(std::make_unique<Visitor>(
      connection, painter_, wish, kind, share_of(address),
      [this](const Wish& painted, const std::string& png, double ms) { remember(painted, png, ms); },
      [this](Visitor& visitor) { leave(visitor); }));
}

/// Of a page's drawings only the newest is of use.
void Site::forget_older(const std::string& page) {
  std::erase_if(visitors_, [&](const auto& one) {
    if (!one->draws(page)) return false;
    one->replace();
    return true;
  });
}

std::shared_ptr<const void> Site::share_of(const std::string& address) {
  std::erase_if(shares_, [](const auto& entry) { return entry.second.use_count() == 1; });
  auto& share = shares_[address];
  if (!share) share = std::make_shared<char>();
  return share;
}

/// Empty if there is room for one more painting from there, or somebody gives up his.
std::string Site::who_is_in_the_way(const std::string& address) {
  const auto painting = static_cast<std::size_t>(
      std::ranges::count_if(visitors_, [&](const auto& one) { return one->address() == address; }));
  // Who comes and leaves at once leaves work behind for a moment, so there is a limit for that as well.
  const auto of_there = static_cast<std::size_t>(share_of(address).use_count()) - 2;  // ours, and the one just made
  if (of_there > 2 * std::size_t{limits_.share} || (painting >= limits_.share && !make_room(&address))) {
    return fmt::format("{} visitors of this address are", painting);
  }
  const bool behind = visitors_.size() + Painting::stopping() > 2 * std::size_t{limits_.visitors};
  if (behind || (visitors_.size() >= limits_.visitors && !make_room(nullptr))) {
    return fmt::format("{} visitors are", visitors_.size());
  }
  return {};
}

/// Who does not take what is painted for him gives his place to one who waits for it. `address`: only of there.
bool Site::make_room(const std::string* address) {
  const gint64 now = g_get_monotonic_time();
  const auto waited = [&](const auto& one) {
    return address == nullptr || one->address() == *address ? one->waited_us(now) : -1;
  };
  const auto slowest = std::ranges::max_element(visitors_, {}, waited);
  if (slowest == visitors_.end() || waited(*slowest) < http::long_us) return false;
  (*slowest)->send_away();
  visitors_.erase(slowest);
  return true;
}

void Site::remember(const Wish& wish, const std::string& png, double ms) {
  std::erase_if(recent_, [&](const Finished& icon) { return icon.wish == wish; });
  recent_.push_back({first_id_ + ++finished_, wish, png, ms});
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
                               {"width", painter_.width},
                               {"height", painter_.height},
                               {"visitors", visitors_.size()},
                               {"icons", finished_}};
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// Icons with a number above `after=N`, oldest first.
std::string Site::recent(const std::string& query) const {
  const std::uint64_t after = parse_after(query);
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
