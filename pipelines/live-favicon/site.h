// SPDX-License-Identifier: MIT
// The server's pages, and who is on them.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "pipelines/live-favicon/http/door.h"
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
  bool make_room();
  void forget_older(const std::string& page);
  std::string read(const std::string& query) const;
  void remember(const Wish& wish, const std::string& png, double ms);
  void leave(const Visitor& visitor);
  std::string status() const;
  std::string recent(const std::string& query) const;

  Painter painter_;
  Facts facts_;
  Limits limits_;
  Words words_;
  Thumbnails thumbnails_;
  http::Door door_;
  std::vector<std::unique_ptr<Visitor>> visitors_;  ///< each of them on a connection of the door
  std::deque<Finished> recent_;                     ///< newest last
  std::uint64_t finished_ = 0;
};

}  // namespace favicon
