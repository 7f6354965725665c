// SPDX-License-Identifier: MIT
// The server's pages, and who is on them.
#pragma once

#include <libsoup/soup.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "pipelines/live-favicon/visitor.h"

namespace favicon {

/// What the model said when it was opened.
struct Facts {
  std::string device, model;
  std::vector<std::string> styles;
  unsigned default_steps = 0;
};

/// Opens the engine and paints one icon, so that the first visitor need not wait for either. `keeper` is a pipeline
/// that holds the shared engine while there are no visitors. Throws std::runtime_error.
Facts open_engine(const Painter& painter, GstElement*& keeper);

class Site {
 public:
  Site(SoupServer* server, Painter painter, Facts facts, Limits limits);
  ~Site();
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;

 private:
  struct Finished {
    std::uint64_t id;
    Wish wish;
    std::string png;
    double ms;
  };

  void serve(SoupServerMessage* message, const std::string& path);
  void paint(SoupServerMessage* message, Kind kind, const char* query);
  void remember(const Wish& wish, const std::string& png, double ms);
  void leave(const Visitor& visitor);
  std::string status() const;
  std::string recent(const char* query) const;

  SoupServer* server_;
  Painter painter_;
  Facts facts_;
  Limits limits_;
  std::vector<std::unique_ptr<Visitor>> visitors_;
  std::deque<Finished> recent_;  ///< newest last
  std::uint64_t finished_ = 0;
};

}  // namespace favicon
