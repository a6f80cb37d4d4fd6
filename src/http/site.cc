#include "http/site.h"

#include <fmt/core.h>

#include "base/text.h"
#include "model/ids.h"

namespace tallyman {
namespace {

constexpr size_t kPathShownMax = 200;

// HTTP statuses of pages have no row among the codes.
Code CodeOfStatus(int status) {
  switch (status) {
    case 413:
    case 429:
    case 431:
      return Code::kResourceExhausted;
    case 503:
      return Code::kUnavailable;
    default:
      return Code::kInvalidArgument;
  }
}

}  // namespace

std::optional<HttpResponse> Site::Refuse(const HttpRequest& head) {
  std::string_view path = head.path();
  if (auto page = pages_.find(path); page != pages_.end()) {
    if (head.verb == "GET" || head.verb == "HEAD") return std::nullopt;
    HttpResponse response = ErrorResponse(
        Error(Code::kUnimplemented, "WRONG_VERB",
              fmt::format("{} is read with GET, not with {}", path, Quote(head.verb))),
        405);
    response.headers = {{"Allow", "GET, HEAD"}};
    return response;
  }
  if (RpcHandler::Serves(path)) return rpc_.Refuse(head);
  return ErrorResponse(
      Error(Code::kNotFound, "NO_SUCH_PATH",
            fmt::format("there is nothing at {}: methods are at /tallyman.v1.SERVICE/METHOD",
                        Quote(path.substr(0, kPathShownMax)))));
}

void Site::Handle(HttpRequest request, std::shared_ptr<Exchange> exchange) {
  auto page = pages_.find(request.path());
  if (page == pages_.end()) return rpc_.Handle(std::move(request), std::move(exchange));
  parts_.workers.Submit(
      [this, &page = page->second, request = std::move(request), exchange = std::move(exchange)] {
        if (page.for_watchers) {
          auto actor = Recognize(parts_, request.path(), request);
          if (actor && (actor->org_id || actor->role == Role::kHost)) {
            actor = Fail(Error(Code::kPermissionDenied, "NOT_PERMITTED",
                               fmt::format("{} may not see the whole fleet", actor->id)));
          }
          if (!actor) return exchange->Answer(ErrorResponse(actor.error()));
        }
        exchange->Answer(page.make());
      });
}

HttpResponse Site::Malformed(int status, std::string_view reason, std::string_view what) {
  Error error(CodeOfStatus(status), std::string(reason), std::string(what));
  if (status == 429 || status == 503) error = RetryLater(std::move(error), kRetryWhenFull);
  HttpResponse response = ErrorResponse(error, status);
  response.close = true;
  response.headers.emplace_back("X-Request-Id", parts_.ids.New<CommandId>().ToString());
  return response;
}

}  // namespace tallyman
