// SPDX-License-Identifier: MIT
#include "pipelines/live-favicon/readers.h"

#include <algorithm>
#include <exception>
#include <utility>

namespace favicon {

Readers::~Readers() {
  if (idle_ != 0) g_source_remove(idle_);
}

void Readers::add(http::Connection& connection, std::string prompt) {
  waiting_[connection.peer().address].push_back({&connection, std::move(prompt)});
  connection.follow(nullptr, [this, &connection] { forget(connection); });
  if (idle_ != 0) return;
  const auto next = [](gpointer self) {
    static_cast<Readers*>(self)->answer_next();
    return static_cast<Readers*>(self)->idle_ != 0 ? gboolean{G_SOURCE_CONTINUE} : gboolean{G_SOURCE_REMOVE};
  };
  idle_ = g_idle_add(next, this);
}

void Readers::forget(const http::Connection& connection) {
  const auto found = waiting_.find(connection.peer().address);
  if (found == waiting_.end()) return;
  std::erase_if(found->second, [&](const Reader& one) { return one.connection == &connection; });
  if (found->second.empty()) waiting_.erase(found);
}

void Readers::answer_next() {
  auto turn = waiting_.upper_bound(last_);
  if (turn == waiting_.end()) turn = waiting_.begin();
  if (turn != waiting_.end()) {
    last_ = turn->first;
    const Reader reader = std::move(turn->second.front());
    turn->second.pop_front();
    if (turn->second.empty()) waiting_.erase(turn);
    reader.connection->follow(nullptr, nullptr);
    try {
      reader.connection->answer(200, "application/json", words_.read(reader.prompt));
    } catch (const std::exception& error) {
      reader.connection->answer(500, "text/plain; charset=utf-8", std::string(error.what()) + "\n");
    }
  }
  if (waiting_.empty()) idle_ = 0;
}

}  // namespace favicon
