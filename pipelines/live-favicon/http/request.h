// SPDX-License-Identifier: MIT
// The head of an HTTP/1 request (RFC 9112), read strictly: what two programs could read in two ways is refused.
#pragma once

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace favicon::http {

/// Bytes of a head, from the request line to the empty line.
inline constexpr std::size_t most_head_bytes = 16 * 1024;
/// Bytes of what is asked for: path and query.
inline constexpr std::size_t most_target_bytes = 8 * 1024;

/// Why a request gets no answer of its own; the text is for the other side.
class Refusal : public std::runtime_error {
 public:
  /// allow  the methods that the path takes, of a refusal with status 405
  Refusal(unsigned status, const std::string& text, std::string allow = {})
      : std::runtime_error(text), status_(status), allow_(std::move(allow)) {}
  unsigned status() const { return status_; }
  const std::string& allow() const { return allow_; }

 private:
  unsigned status_;
  std::string allow_;
};

struct Request {
  std::string method;
  std::string path;                                         ///< as it came, still encoded
  std::string query;                                        ///< what follows the question mark, still encoded
  std::optional<std::string> authority;                     ///< of a target that names one: GET http://authority/path
  unsigned minor = 1;                                       ///< of HTTP/1.minor
  std::vector<std::pair<std::string, std::string>> fields;  ///< names in lower case; values without outer blanks
  std::string body;                                         ///< whole; empty but for POST

  /// The field's value, or nullptr. Fields that this program reads are there once at most.
  const std::string* find(std::string_view name) const;
};

/// Where the head in `bytes` ends, the empty line included; nothing while more must come. Throws Refusal as soon as
/// no further byte could make it one.
std::optional<std::size_t> end_of_head(std::string_view bytes);

/// `head` as end_of_head() has found it. Throws Refusal.
Request parse_request(std::string_view head);

/// For all tokens and names here: ASCII alone, whatever the locale.
std::string lower(std::string_view text);

}  // namespace favicon::http
