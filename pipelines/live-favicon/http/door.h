// SPDX-License-Identifier: MIT
// Where connections come in: how many there may be, and who has to leave when there are more.
#pragma once

#include <glib.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pipelines/live-favicon/http/connection.h"
#include "pipelines/live-favicon/http/guard.h"

namespace favicon::http {

struct DoorLimits {
  unsigned connections = 128;  ///< in all
  unsigned per_address = 64;
  unsigned patience_s = 20;  ///< for a reader who does not read; for a request half of it
};

class Door {
 public:
  using Serve = std::function<void(Connection&, const Request&)>;

  /// `names`: hosts that this server goes by besides the address of the connection, as Authority::host. `bodies`: see
  /// admit().
  Door(DoorLimits limits, std::vector<std::string> names, Bodies bodies, Serve serve);
  ~Door();
  Door(const Door&) = delete;
  Door& operator=(const Door&) = delete;

  /// `port` 0: any free one. Returns http://address:port/. Throws std::runtime_error.
  std::string listen(const std::string& address, std::uint16_t port);

 private:
  void open_again();
  void accept();
  bool take_in();
  bool make_room(const std::string& address);
  bool end_idlest(const std::string* address);
  void check();

  DoorLimits limits_;
  std::vector<std::string> names_;
  Bodies bodies_;
  Serve serve_;
  int socket_ = -1;
  guint watch_ = 0, pause_ = 0, tick_ = 0;
  std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace favicon::http
