// Who sent a request, and errors as answers to it.
#include <fmt/core.h>

#include "base/retry_later.h"
#include "http/rpc_handler.h"
#include "rpc/wire_error.h"

namespace tallyman::http {
namespace {

constexpr std::string_view kBearer = "bearer ";

// The text after "Bearer"; nullopt when there is no token. Another scheme counts as an unknown
// token.
std::optional<std::string> TokenOf(const HttpRequest& request) {
  std::string_view header = request.Header("authorization");
  if (header.empty()) return std::nullopt;
  std::string scheme(header.substr(0, kBearer.size()));
  for (char& c : scheme) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (scheme != kBearer) return std::string();
  return std::string(header.substr(kBearer.size()));
}

}  // namespace

Error WrongToken(const RpcParts& parts, const std::string& address, Error error) {
  if (auto wait = parts.failures.MustWait(address)) {
    return RetryLater(Error(Code::kResourceExhausted, "TOO_MANY_FAILURES",
                            fmt::format("too many wrong tokens came from {}: try again in {} "
                                        "seconds",
                                        address, wait->count())),
                      *wait);
  }
  parts.failures.Failed(address);
  return error;
}

Result<Actor> Recognize(const RpcParts& parts, std::string_view method, const HttpRequest& request,
                        store::ReadTx* tx, std::optional<Time> deadline) {
  const std::optional<std::string> token = TokenOf(request);
  auto actor = parts.authenticator.Authenticate(method, token, tx, deadline);
  // A call without a token is not an attempt to guess one.
  if (actor || !token || actor.error().code != Code::kUnauthenticated) return actor;
  return Fail(WrongToken(parts, request.address, std::move(actor).error()));
}

Party PartyOf(const Actor& actor) {
  if (actor.role == Role::kJoin) return Party::kStranger;
  return actor.role == Role::kHost ? Party::kHost : Party::kPerson;
}

HttpResponse ErrorResponse(const Error& error, std::optional<int> status) {
  HttpResponse response{.status = status.value_or(RowOf(error.code).http_status),
                        .content_type = "application/json",
                        .body = rpc::ErrorJson(error),
                        .close = false};
  if (response.status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (response.status == 405) response.headers.emplace_back("Allow", "POST");
  if (auto after = RetryAfterOf(error)) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(*after);
    response.headers.emplace_back("Retry-After", std::to_string(seconds.count()));
  }
  return response;
}

}  // namespace tallyman::http
