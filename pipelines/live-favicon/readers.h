// SPDX-License-Identifier: MIT
// Who asks how words are read. That takes tens of milliseconds for words that nobody knows, in the main loop's thread,
// so it is done one prompt at a time whenever there is nothing else to do, for each address in its turn.
#pragma once

#include <deque>
#include <map>
#include <string>

#include "pipelines/live-favicon/http/connection.h"
#include "pipelines/live-favicon/words.h"

namespace favicon {

class Readers {
 public:
  /// `words` must outlive this.
  explicit Readers(const Words& words) : words_(words) {}
  ~Readers();
  Readers(const Readers&) = delete;
  Readers& operator=(const Readers&) = delete;

  /// The connection is answered later, unless it ends before that.
  void add(http::Connection& connection, std::string prompt);

 private:
  struct Reader {
    http::Connection* connection;
    std::string prompt;
  };
  void forget(const http::Connection& connection);
  void answer_next();

  const Words& words_;
  std::map<std::string, std::deque<Reader>> waiting_;  ///< by address; none of them empty
  std::string last_;                                   ///< the address whose turn was the last
  guint idle_ = 0;
};

}  // namespace favicon
