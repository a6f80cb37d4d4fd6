#include "rpc/call_head.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/checked.h"
#include "base/text.h"

namespace tallyman::rpc {
namespace {

constexpr size_t kTimeoutDigitsMax = 10;

std::string_view Trimmed(std::string_view text) {
  size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool Same(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, Lower, Lower);
}

// Removes and returns the text before the next separator.
std::string_view NextPart(std::string_view& text, char separator) {
  size_t end = text.find(separator);
  std::string_view part = Trimmed(text.substr(0, end));
  text = end == std::string_view::npos ? "" : text.substr(end + 1);
  return part;
}

// Media type without its parameters; JSON may have only charset=utf-8.
std::optional<Codec> CodecOf(std::string_view content_type, MethodKind kind) {
  std::string_view type = NextPart(content_type, ';');
  while (!content_type.empty()) {
    std::string_view parameter = NextPart(content_type, ';');
    if (!parameter.empty() && !Same(parameter, "charset=utf-8") &&
        !Same(parameter, "charset=\"utf-8\"")) {
      return std::nullopt;
    }
  }
  for (Codec codec : {Codec::kJson, Codec::kProto}) {
    if (Same(type, ContentTypeOf(kind, codec))) return codec;
  }
  return std::nullopt;
}

bool IsIdentity(std::string_view encoding) {
  return encoding.empty() || Same(Trimmed(encoding), "identity");
}

// The specification defines Accept-Encoding as a list without quality values; general HTTP clients
// send them, and q=0 means no.
bool AcceptsGzip(std::string_view accept_encoding) {
  while (!accept_encoding.empty()) {
    std::string_view item = NextPart(accept_encoding, ',');
    if (!Same(NextPart(item, ';'), "gzip")) continue;
    std::string_view quality = NextPart(item, ';');
    bool none =
        quality.starts_with("q=0") && quality.find_first_not_of("0.", 2) == std::string_view::npos;
    return !none;
  }
  return false;
}

Refusal Refuse(Error error, std::optional<int> http_status = {}) {
  return {.error = std::move(error), .http_status = http_status};
}

Result<std::optional<std::chrono::milliseconds>> TimeoutOf(std::string_view text) {
  std::optional<std::chrono::milliseconds> timeout;
  if (text.empty()) return timeout;
  bool digits = text.size() <= kTimeoutDigitsMax &&
                text.find_first_not_of("0123456789") == std::string_view::npos;
  if (!digits) {
    return Fail(InvalidArgument(
                    "INVALID_TIMEOUT",
                    fmt::format("Connect-Timeout-Ms is {}: send milliseconds as at most ten digits",
                                Quote(text)))
                    .With("field", "Connect-Timeout-Ms")
                    .With("value", Quote(text)));
  }
  timeout.emplace(ParseInt64(text).value_or(0));
  return timeout;
}

}  // namespace

std::string_view ContentTypesOf(MethodKind kind) {
  return kind == MethodKind::kUnary ? "application/json, application/proto"
                                    : "application/connect+json, application/connect+proto";
}

std::string_view ContentTypeOf(MethodKind kind, Codec codec) {
  if (kind == MethodKind::kUnary) {
    return codec == Codec::kJson ? "application/json" : "application/proto";
  }
  return codec == Codec::kJson ? "application/connect+json" : "application/connect+proto";
}

std::expected<CallTerms, Refusal> ReadCallHead(const CallHead& head, MethodKind kind) {
  if (head.verb != "POST") {
    return std::unexpected(
        Refuse(Error(Code::kUnimplemented, "WRONG_VERB",
                     fmt::format("methods are called with POST, not with {}", Quote(head.verb))),
               405));
  }
  auto codec = CodecOf(head.content_type, kind);
  if (!codec) {
    return std::unexpected(Refuse(Error(Code::kUnimplemented, "UNSUPPORTED_CONTENT_TYPE",
                                        fmt::format("Content-Type is {}: this method takes {}",
                                                    Quote(head.content_type), ContentTypesOf(kind)))
                                      .With("field", "Content-Type")
                                      .With("value", Quote(head.content_type)),
                                  415));
  }
  if (!head.protocol_version.empty() && head.protocol_version != "1") {
    return std::unexpected(
        Refuse(InvalidArgument("WRONG_PROTOCOL_VERSION",
                               fmt::format("Connect-Protocol-Version is {}: this server speaks 1",
                                           Quote(head.protocol_version)))
                   .With("field", "Connect-Protocol-Version")
                   .With("value", Quote(head.protocol_version))));
  }
  std::string_view encoding =
      kind == MethodKind::kUnary ? head.content_encoding : head.stream_content_encoding;
  // The protocol does not allow a content encoding of a whole stream, either.
  if (!IsIdentity(encoding) || !IsIdentity(head.content_encoding)) {
    if (IsIdentity(encoding)) encoding = head.content_encoding;
    return std::unexpected(
        Refuse(Error(Code::kUnimplemented, "COMPRESSED_REQUEST",
                     fmt::format("the request is encoded as {}: only identity is supported",
                                 Quote(encoding)))
                   .With("value", Quote(encoding))));
  }
  auto timeout = TimeoutOf(head.timeout_ms);
  if (!timeout) return std::unexpected(Refuse(std::move(timeout).error()));
  return CallTerms{
      .codec = *codec, .timeout = *timeout, .gzip_accepted = AcceptsGzip(head.accept_encoding)};
}

}  // namespace tallyman::rpc
