// SPDX-License-Identifier: MIT
#include "pipelines/live-favicon/http/guard.h"

#include <arpa/inet.h>

#include <algorithm>

namespace favicon::http {
namespace {

bool digits(std::string_view text) { return text.find_first_not_of("0123456789") == std::string_view::npos; }

/// The address as inet_ntop() writes it, or an empty text.
std::string canonical(int family, const std::string& text) {
  unsigned char bytes[sizeof(in6_addr)];
  char written[INET6_ADDRSTRLEN];
  if (inet_pton(family, text.c_str(), bytes) != 1) return {};
  return inet_ntop(family, bytes, written, sizeof written);
}

void check_port(std::string_view port) {
  const bool number = digits(port) && port.size() <= 5;
  if (!number || (!port.empty() && std::stoul(std::string(port)) > 65535)) {
    throw Refusal(400, "expected a port from 0 to 65535 after the host");
  }
}

/// "https://host:port" of an Origin or a Referer, with the scheme's port where none is named.
bool is_from(std::string_view origin, Authority here) {
  const std::string scheme = lower(origin.substr(0, origin.find(':')));
  if ((scheme != "http" && scheme != "https") || !origin.substr(scheme.size()).starts_with("://")) return false;
  origin.remove_prefix(scheme.size() + 3);
  try {
    Authority there = parse_authority(origin.substr(0, origin.find_first_of("/?#")));
    const std::string standard = scheme == "http" ? "80" : "443";
    if (there.port.empty()) there.port = standard;
    if (here.port.empty()) here.port = standard;
    return there == here;
  } catch (const Refusal&) {
    return false;
  }
}

/// Where the request ends must be the same to every reader.
void check_framing(const Request& request) {
  const std::string* length = request.find("content-length");
  const std::string* encoding = request.find("transfer-encoding");
  if (length != nullptr && (length->empty() || !digits(*length)))
    throw Refusal(400, "Content-Length: expected a number");
  if (length != nullptr && encoding != nullptr) throw Refusal(400, "Content-Length beside Transfer-Encoding");
  if (encoding != nullptr && (request.minor == 0 || lower(*encoding) != "chunked")) {
    throw Refusal(400, "Transfer-Encoding: expected chunked, in HTTP/1.1");
  }
}

/// Its length is known before the first byte is read, and what it is as well.
void check_body(const Request& request, const BodyRule& rule) {
  const std::string* type = request.find("content-type");
  if (type == nullptr || lower(*type) != rule.type) throw Refusal(415, "Content-Type: expected " + rule.type);
  if (request.find("content-encoding") != nullptr) throw Refusal(415, "expected a body without Content-Encoding");
  const std::string* length = request.find("content-length");
  const std::string wanted = std::to_string(rule.bytes);
  if (length == nullptr) throw Refusal(411, "expected Content-Length: " + wanted);
  if (*length != wanted) {
    // Digits alone, by check_framing(); without zeros before it, the longer number is the larger one.
    const std::string_view found =
        std::string_view(*length).substr(std::min(length->find_first_not_of('0'), length->size()));
    const bool more = found.size() != wanted.size() ? found.size() > wanted.size() : found > wanted;
    throw Refusal(more ? 413 : 400, "Content-Length: expected " + wanted);
  }
  if (const std::string* expect = request.find("expect"); expect != nullptr && lower(*expect) != "100-continue") {
    throw Refusal(417, "Expect: expected 100-continue");
  }
}

/// Returns the authority that the request is for.
Authority check_host(const Request& request, const std::string& local, const std::vector<std::string>& names) {
  const std::string* host = request.find("host");
  if (host == nullptr && request.minor > 0) throw Refusal(400, "expected a header Host");
  const auto known = [&](const Authority& authority) {
    return authority.host == local || std::find(names.begin(), names.end(), authority.host) != names.end();
  };
  Authority here = parse_authority(host != nullptr ? *host : "");
  bool allowed = known(here);
  // RFC 9112, 3.2.2: the address in the request line is the one that counts. Both have to be ours.
  if (request.authority) {
    here = parse_authority(*request.authority);
    allowed = known(here) && (allowed || host == nullptr);
  }
  if (!allowed) throw Refusal(403, "this server does not go by that name; start it with --host NAME");
  return here;
}

/// Browsers say Sec-Fetch-Site where the address is HTTPS or of this machine, Origin and Referer elsewhere, too.
void check_site(const Request& request, const Authority& here) {
  const std::string* site = request.find("sec-fetch-site");
  const std::string* origin = request.find("origin");
  const std::string* referer = request.find("referer");
  const auto says = [&](std::string_view name, std::string_view value) {
    const std::string* found = request.find(name);
    return found != nullptr && *found == value;
  };
  const bool own = site != nullptr && (*site == "same-origin" || *site == "none");
  // A link to the page may be followed from anywhere: it paints nothing by itself, and nobody can frame it.
  const bool link = request.path == "/" &&
                    (site == nullptr || (says("sec-fetch-mode", "navigate") && says("sec-fetch-dest", "document")));
  // Where a page of another site sends its reader on to, the browser says "none" if he had typed that page's address.
  const bool followed = says("sec-fetch-mode", "navigate") || says("sec-fetch-dest", "document");
  if (followed && request.path != "/" && (site == nullptr || *site == "none")) {
    throw Refusal(403, "expected a link of our own page: open / and go on from there");
  }
  if (site != nullptr && !own && !link) throw Refusal(403, "asked by a page of another site");
  if (origin != nullptr && !is_from(*origin, here)) throw Refusal(403, "asked by a page of another site");
  if (site == nullptr && referer != nullptr && !link && !is_from(*referer, here)) {
    throw Refusal(403, "asked by a page of another site");
  }
}

}  // namespace

Authority parse_authority(std::string_view text) {
  Authority result;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    result.host = end == std::string_view::npos ? "" : canonical(AF_INET6, std::string(text.substr(1, end - 1)));
    if (result.host.empty()) throw Refusal(400, "expected an IPv6 address in brackets");
    text.remove_prefix(end + 1);
    if (!text.empty() && text[0] != ':') throw Refusal(400, "expected a port after the host");
  } else {
    result.host = lower(text.substr(0, text.find(':')));
    text.remove_prefix(result.host.size());
    constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyz0123456789-._";
    if (result.host.find_first_not_of(allowed) != std::string_view::npos) throw Refusal(400, "expected a host name");
    const std::string address = canonical(AF_INET, result.host);
    if (!address.empty()) {
      result.host = address;
    } else if (result.host.ends_with('.')) {
      result.host.pop_back();
    }
  }
  if (!text.empty()) {
    check_port(text.substr(1));
    result.port = std::string(text.substr(1));
  }
  return result;
}

std::size_t admit(const Request& request, const std::string& local, const std::vector<std::string>& names,
                  const Bodies& bodies) {
  check_framing(request);
  const Authority here = check_host(request, local, names);
  check_site(request, here);
  if (const auto rule = bodies.find(request.path); rule != bodies.end()) {
    if (request.method != "POST") throw Refusal(405, "expected POST", "POST");
    check_body(request, rule->second);
    return rule->second.bytes;
  }
  if (request.method != "GET" && request.method != "HEAD") throw Refusal(405, "expected GET or HEAD", "GET, HEAD");
  const std::string* length = request.find("content-length");
  if (request.find("transfer-encoding") != nullptr ||
      (length != nullptr && length->find_first_not_of('0') != std::string::npos)) {
    throw Refusal(413, "expected a request without a body");
  }
  return 0;
}

}  // namespace favicon::http
