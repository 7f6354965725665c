// SPDX-License-Identifier: MIT
// The server's pages, and who is on them.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pipelines/live-favicon/http/door.h"
#include "pipelines/live-favicon/readers.h"
#include "pipelines/live-favicon/thumbnails.h"
#include "pipelines/live-favicon/visitor.h"
#include "pipelines/live-favicon/words.h"

namespace favicon {

/// What the model said when it was opened.
struct Facts {
  std::string device, model;
  std::vector<std::string> styles;
  unsigned default_steps = 0;
  std::shared_ptr<const dit::Model> file;
};

/// Opens the engine and paints one icon, so that the first visitor need not wait for either. `keeper` is a pipeline
/// that holds the shared engine while there are no visitors. `painter` gets the model's size. Throws
/// std::runtime_error.
Facts open_engine(Painter& painter, GstElement*& keeper);

class Site {
 public:
  /// `names`: see http::Door.
  Site(Painter painter, Facts facts, Limits limits, http::DoorLimits door, std::vector<std::string> names);
  ~Site();
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;

  /// See http::Door::listen().
  std::string listen(const std::string& address, std::uint16_t port) { return door_.listen(address, port); }

 private:
  struct Finished {
    std::uint64_t id;
    Wish wish;
    std::string png;
    double ms;
  };

  void serve(http::Connection& connection, const http::Request& request);
  void paint(http::Connection& connection, const http::Request& request, Kind kind);
  bool make_room(const std::string* address);
  std::string who_is_in_the_way(const std::string& address);
  std::shared_ptr<const void> share_of(const std::string& address);
  void forget_older(const std::string& page);
  void remember(const Wish& wish, const std::string& png, double ms);
  void leave(const Visitor& visitor);
  std::string status() const;
  std::string recent(const std::string& query) const;

  Painter painter_;
  Facts facts_;
  Limits limits_;
  Words words_;
  Readers readers_;
  Thumbnails thumbnails_;
  http::Door door_;
  /// By address. Who else holds one is a painting of there: one at work, or one that has been told to end.
  std::map<std::string, std::shared_ptr<const void>> shares_;
  std::vector<std::unique_ptr<Visitor>> visitors_;  ///< each of them on a connection of the door
  std::deque<Finished> recent_;                     ///< newest last
  std::uint64_t finished_ = 0;
  /// Of the icon before the first. Those of a server are above those of its earlier runs, so that who has seen those
  /// misses none of these: microseconds of the clock, which JavaScript's numbers hold until the year 2255.
  std::uint64_t first_id_ = static_cast<std::uint64_t>(g_get_real_time());
};

}  // namespace favicon
