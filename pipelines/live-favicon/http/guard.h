// SPDX-License-Identifier: MIT
// Who may ask. A page of the web can make its reader's browser ask this server, too, and a name of the web may be made
// to lead here (DNS rebinding); what browsers say of themselves tells them from our own page.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "pipelines/live-favicon/http/request.h"

namespace favicon::http {

/// host[:port] as in Host and in an address.
struct Authority {
  std::string host;  ///< in lower case, without brackets and a last dot; IP addresses as inet_ntop() writes them
  std::string port;  ///< digits, or empty
  bool operator==(const Authority&) const = default;
};

/// Throws Refusal (400).
Authority parse_authority(std::string_view text);

/// The one kind of body that a path takes.
struct BodyRule {
  std::string type;       ///< Content-Type, without parameters
  std::size_t bytes = 0;  ///< no more and no fewer
};
/// Paths that take POST with a body and nothing else; all others take GET and HEAD without one.
using Bodies = std::map<std::string, BodyRule, std::less<>>;

/// Returns if the request is one that this server answers, whatever it asks for, with the bytes of its body that are to
/// be read. `names` are hosts as in Authority; `local` is the address at which the connection came in. Throws Refusal.
std::size_t admit(const Request& request, const std::string& local, const std::vector<std::string>& names,
                  const Bodies& bodies);

}  // namespace favicon::http
