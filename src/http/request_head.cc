#include "http/request_head.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "base/checked.h"
#include "base/text.h"
#include "http/line.h"

namespace tallyman::http {
namespace {

constexpr size_t kLengthDigitsMax = 18;

// What would mean something else to whoever takes the last one, or the first.
constexpr std::array<std::string_view, 9> kOnce = {
    "host",         "content-length",           "transfer-encoding",  "authorization",   "expect",
    "content-type", "connect-protocol-version", "connect-timeout-ms", "content-encoding"};

std::unexpected<RequestFault> Fault(std::string what, PeerFault fault = PeerFault::kMalformedHttp) {
  return std::unexpected(RequestFault{.fault = fault, .what = std::move(what)});
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsLetterOrDigit(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool IsTokenChar(char c) {
  return IsLetterOrDigit(c) || (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").contains(c));
}

bool IsToken(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, IsTokenChar);
}

bool IsVisible(char c) { return c > ' ' && c < '\x7f'; }

std::string_view Trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// "name", "name:port", "[v6]:port". It may be empty.
bool IsHost(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon != std::string_view::npos && text.find(']', colon) == std::string_view::npos) {
    if (!std::ranges::all_of(text.substr(colon + 1), IsDigit)) return false;
    text = text.substr(0, colon);
  }
  if (text.starts_with('[')) {
    return text.ends_with(']') && std::ranges::all_of(text.substr(1, text.size() - 2), [](char c) {
             return IsLetterOrDigit(c) || c == ':' || c == '.' || c == '%';
           });
  }
  return std::ranges::all_of(text, [](char c) {
    return IsLetterOrDigit(c) || (c != '\0' && std::string_view("-._~%!$&'()*+;=").contains(c));
  });
}

// Leaves what follows the host of a whole URL.
bool TakeTarget(std::string_view text, std::string_view verb, std::string& target) {
  if (!std::ranges::all_of(text, IsVisible) || text.contains('#')) return false;
  for (std::string_view scheme : {"http://", "https://"}) {
    if (!SameWord(text.substr(0, scheme.size()), scheme)) continue;
    text.remove_prefix(scheme.size());
    const size_t end = std::min(text.find_first_of("/?"), text.size());
    if (end == 0 || !IsHost(text.substr(0, end))) return false;
    target = text.substr(end);
    if (!target.starts_with('/')) target.insert(0, 1, '/');
    return true;
  }
  target = text;
  return text.starts_with('/') || (text == "*" && verb == "OPTIONS");
}

std::expected<void, RequestFault> ReadFirstLine(std::string_view line, RequestHead& head) {
  const size_t first = line.find(' ');
  const size_t second = line.find(' ', first == std::string_view::npos ? first : first + 1);
  if (second == std::string_view::npos)
    return Fault("the first line is no METHOD, TARGET and VERSION");
  const std::string_view verb = line.substr(0, first);
  const std::string_view version = line.substr(second + 1);
  if (!IsToken(verb)) return Fault("the method is no word");
  if (version != "HTTP/1.1" && version != "HTTP/1.0")
    return Fault(fmt::format("the version is {}: this server speaks HTTP/1.1", Quote(version)));
  head.request.verb = verb;
  head.version = version.back() == '1' ? 11 : 10;
  if (!TakeTarget(line.substr(first + 1, second - first - 1), verb, head.request.target))
    return Fault("the target is neither a path nor a URL");
  return {};
}

// Whether the header stands in the head at all; Header() gives "" for one that is empty too.
bool Has(const HttpRequest& request, std::string_view name) {
  return std::ranges::any_of(request.headers,
                             [&](const auto& field) { return SameWord(field.first, name); });
}

std::expected<void, RequestFault> ReadField(std::string_view line, RequestHead& head) {
  if (line.starts_with(' ') || line.starts_with('\t'))
    return Fault("a header goes on in the next line");
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || !IsToken(line.substr(0, colon)))
    return Fault("a line is no header: NAME, a colon right after it, and a value");
  const std::string_view name = line.substr(0, colon);
  const bool is_single =
      std::ranges::any_of(kOnce, [&](std::string_view once) { return SameWord(once, name); });
  if (is_single && Has(head.request, name)) return Fault(fmt::format("{} stands twice", name));
  head.request.headers.emplace_back(name, Trimmed(line.substr(colon + 1)));
  return {};
}

// How long the body is: RFC 9112, 6.3.
std::expected<void, RequestFault> ReadFraming(RequestHead& head) {
  const HttpRequest& request = head.request;
  const bool has_length = Has(request, "content-length");
  if (Has(request, "transfer-encoding")) {
    if (has_length) return Fault("there is a Transfer-Encoding beside a Content-Length");
    if (head.version == 10) return Fault("HTTP/1.0 has no Transfer-Encoding");
    const std::string_view coding = request.Header("transfer-encoding");
    if (!SameWord(coding, "chunked")) {
      return Fault(fmt::format("Transfer-Encoding is {}: supported is chunked only", Quote(coding)),
                   PeerFault::kUnsupportedCoding);
    }
    head.is_chunked = true;
  }
  if (!has_length) return {};
  const std::string_view length = request.Header("content-length");
  if (length.empty() || length.size() > kLengthDigitsMax || !std::ranges::all_of(length, IsDigit))
    return Fault(fmt::format("Content-Length is {}: send digits", Quote(length)));
  head.body_bytes = static_cast<size_t>(ParseInt64(length).value_or(0));
  return {};
}

// Whether one of the words of all Connection headers is this one.
bool ConnectionSays(const HttpRequest& request, std::string_view word) {
  for (const auto& [name, value] : request.headers) {
    if (!SameWord(name, "connection")) continue;
    for (std::string_view rest = value; !rest.empty();) {
      const size_t comma = std::min(rest.find(','), rest.size());
      if (SameWord(Trimmed(rest.substr(0, comma)), word)) return true;
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  return false;
}

}  // namespace

std::expected<std::optional<size_t>, RequestFault> FindHeadEnd(std::string_view bytes) {
  size_t line = 0;
  while (true) {
    const auto rest = bytes.substr(line);
    const size_t end = static_cast<size_t>(std::ranges::find_if(rest, IsControl) - rest.begin());
    if (end + 1 >= rest.size()) {
      if (end < rest.size() && rest[end] != '\r') return Fault("a control character");
      return std::nullopt;
    }
    if (!rest.substr(end).starts_with(kLineEnd))
      return Fault("a control character, or a line that does not end with CR LF");
    line += end + kLineEnd.size();
    if (end == 0) return line;
  }
}

std::expected<RequestHead, RequestFault> ReadHead(std::string_view bytes) {
  RequestHead head;
  for (bool first = true; !bytes.starts_with(kLineEnd); first = false) {
    const size_t end = bytes.find(kLineEnd);
    const std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(end + kLineEnd.size());
    auto read = first ? ReadFirstLine(line, head) : ReadField(line, head);
    if (!read) return std::unexpected(std::move(read).error());
  }
  if (head.request.verb.empty()) return Fault("the first line is empty");
  if (auto framing = ReadFraming(head); !framing) return std::unexpected(framing.error());
  const HttpRequest& request = head.request;
  if (head.version == 11 && !Has(request, "host")) return Fault("there is no Host header");
  if (!IsHost(request.Header("host"))) return Fault("Host is no host");
  head.keep_alive = head.version == 11 ? !ConnectionSays(request, "close")
                                       : ConnectionSays(request, "keep-alive");
  head.expects_continue = SameWord(request.Header("expect"), "100-continue");
  return head;
}

}  // namespace tallyman::http
