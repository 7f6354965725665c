// SPDX-License-Identifier: MIT
#include "pipelines/live-favicon/http/request.h"

#include <algorithm>
#include <array>

namespace favicon::http {
namespace {

constexpr std::size_t most_fields = 100;
/// A second one of these could be meant for another reader than the first one.
constexpr std::array single = {
    "host",   "content-length", "transfer-encoding", "origin",         "content-type", "content-encoding",
    "expect", "sec-fetch-site", "sec-fetch-mode",    "sec-fetch-dest", "referer"};

bool is_alphanumeric(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// RFC 9110, 5.6.2.
bool is_token(std::string_view text) {
  constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return is_alphanumeric(c) || marks.find(c) != std::string_view::npos;
  });
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

void parse_version(std::string_view version, Request& request) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (version.size() != 8 || !version.starts_with("HTTP/") || version[6] != '.' || !digit(version[5]) ||
      !digit(version[7])) {
    throw Refusal(400, "expected METHOD TARGET HTTP/1.1");
  }
  if (version[5] != '1') throw Refusal(505, "expected HTTP/1.1 or HTTP/1.0");
  request.minor = static_cast<unsigned>(version[7] - '0');
}

void parse_target(std::string_view target, Request& request) {
  if (target.size() > most_target_bytes) throw Refusal(414, "the address is too long");
  if (!std::all_of(target.begin(), target.end(), [](char c) { return c > ' ' && c < 0x7f && c != '#'; })) {
    throw Refusal(400, "expected an address of visible ASCII characters");
  }
  // "*" and what CONNECT asks for are no paths; who reads the method first never sees them.
  const bool special = target == "*" || request.method == "CONNECT";
  if (!target.starts_with('/') && !special) {
    const std::string scheme = lower(target.substr(0, target.find(':')));
    const bool named = (scheme == "http" || scheme == "https") && target.substr(scheme.size()).starts_with("://");
    if (!named) throw Refusal(400, "expected an address that begins with / or http://");
    target.remove_prefix(scheme.size() + 3);
    const std::string_view authority = target.substr(0, target.find_first_of("/?"));
    request.authority = std::string(authority);
    target.remove_prefix(authority.size());
  }
  const std::string_view path = target.substr(0, target.find('?'));
  request.path = path.empty() ? "/" : std::string(path);
  request.query = std::string(path.size() < target.size() ? target.substr(path.size() + 1) : "");
}

void parse_request_line(std::string_view line, Request& request) {
  const std::size_t first = line.find(' '),
                    second = line.find(' ', first == std::string_view::npos ? first : first + 1);
  if (second == std::string_view::npos) throw Refusal(400, "expected METHOD TARGET HTTP/1.1");
  request.method = std::string(line.substr(0, first));
  if (!is_token(request.method)) throw Refusal(400, "expected a method");
  parse_version(line.substr(second + 1), request);
  parse_target(line.substr(first + 1, second - first - 1), request);
}

void parse_field(std::string_view line, Request& request) {
  const std::size_t colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  // Also a line that goes on from the one before (it begins with a blank) and a blank before the colon.
  if (colon == std::string_view::npos || !is_token(name))
    throw Refusal(400, "expected NAME: VALUE in each header line");
  const std::string_view value = trimmed(line.substr(colon + 1));
  const auto control = [](char c) { return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == 0x7f; };
  if (std::any_of(value.begin(), value.end(), control)) throw Refusal(400, "a header holds control characters");
  if (request.fields.size() == most_fields) throw Refusal(431, "too many headers");
  std::string key = lower(name);
  if (std::find(single.begin(), single.end(), key) != single.end() && request.find(key) != nullptr) {
    throw Refusal(400, "two headers " + key);
  }
  request.fields.emplace_back(std::move(key), value);
}

}  // namespace

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

const std::string* Request::find(std::string_view name) const {
  for (const auto& [key, value] : fields)
    if (key == name) return &value;
  return nullptr;
}

std::optional<std::size_t> end_of_head(std::string_view bytes) {
  const std::string_view looked_at = bytes.substr(0, most_head_bytes);
  const std::size_t end = looked_at.find("\r\n\r\n");
  const std::string_view head = looked_at.substr(0, end);
  if (head.find('\0') != std::string_view::npos) throw Refusal(400, "the head holds a zero byte");
  for (std::size_t at = head.find_first_of("\r\n"); at != std::string_view::npos; at = head.find_first_of("\r\n", at)) {
    const bool pair = head[at] == '\r' && (at + 1 == head.size() || head[at + 1] == '\n');
    if (!pair) throw Refusal(400, "expected lines that end with CR and LF");
    at = std::min(at + 2, head.size());
  }
  if (end != std::string_view::npos) return end + 4;
  if (bytes.size() >= most_head_bytes) {
    throw Refusal(head.find('\n') == std::string_view::npos ? 414 : 431, "the head of the request is too long");
  }
  return std::nullopt;
}

Request parse_request(std::string_view head) {
  Request request;
  bool first = true;
  while (!head.empty()) {
    const std::size_t end = head.find("\r\n");
    if (end == std::string_view::npos) throw Refusal(400, "expected lines that end with CR and LF");
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(end + 2);
    if (first) {
      parse_request_line(line, request);
    } else if (!line.empty()) {
      parse_field(line, request);
    }
    first = false;
  }
  if (first) throw Refusal(400, "expected METHOD TARGET HTTP/1.1");
  return request;
}

}  // namespace favicon::http
