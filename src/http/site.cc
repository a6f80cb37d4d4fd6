#include "http/site.h"

#include <fmt/core.h>

#include "base/retry_later.h"
#include "base/text.h"
#include "http/told_error.h"
#include "model/ids.h"

namespace tallyman::http {
namespace {

constexpr size_t kPathShownMax = 200;

// Of a page nobody has anything to say.
constexpr size_t kPageBodyBytesMax = 1024;

struct FaultRow {
  int status;
  Code code;
};

// What is no call has statuses of its own.
FaultRow RowOf(PeerFault fault) {
  switch (fault) {
    case PeerFault::kTooManyConnections:
    case PeerFault::kTooManyStrangers:
      return {.status = 503, .code = Code::kUnavailable};
    case PeerFault::kHeadersTooLarge:
      return {.status = 431, .code = Code::kResourceExhausted};
    case PeerFault::kRequestTooLarge:
      return {.status = 413, .code = Code::kResourceExhausted};
    case PeerFault::kTooManyBodies:
      return {.status = 429, .code = Code::kResourceExhausted};
    case PeerFault::kUnsupportedCoding:
      return {.status = 501, .code = Code::kUnimplemented};
    case PeerFault::kTooSlow:
      return {.status = 408, .code = Code::kDeadlineExceeded};
    case PeerFault::kMalformedHttp:
      break;
  }
  return {.status = 400, .code = Code::kInvalidArgument};
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

size_t Site::BodyBytesMax(const HttpRequest& head) {
  return pages_.contains(head.path()) ? kPageBodyBytesMax : rpc_.BodyBytesMax(head);
}

void Site::Admit(HttpRequest head, std::shared_ptr<Exchange> exchange) {
  if (pages_.contains(head.path())) return exchange->Admitted(kPageBodyBytesMax);
  rpc_.Admit(std::move(head), std::move(exchange));
}

HttpResponse Site::Page(const SitePage& page, const HttpRequest& request, Exchange& exchange) {
  if (!page.for_watchers) return page.make();
  auto actor = Recognize(parts_, request.path(), request);
  if (!actor) return ErrorResponse(ToldError(actor.error()));
  exchange.Recognized(PartyOf(*actor));
  if (actor->org_id || actor->role == Role::kHost) {
    return ErrorResponse(Error(Code::kPermissionDenied, "NOT_PERMITTED",
                               fmt::format("{} may not see the whole fleet", actor->id)));
  }
  return page.make();
}

void Site::Handle(HttpRequest request, std::shared_ptr<Exchange> exchange) {
  auto page = pages_.find(request.path());
  if (page == pages_.end()) return rpc_.Handle(std::move(request), std::move(exchange));
  parts_.workers.Submit(
      [this, &page = page->second, request = std::move(request), exchange = std::move(exchange)] {
        HttpResponse response;
        try {
          response = Page(page, request, *exchange);
        } catch (const std::exception& e) {
          response = ErrorResponse(
              Internal("UNEXPECTED_EXCEPTION",
                       fmt::format("the page failed in an unforeseen way: {}", e.what())));
        }
        exchange->Answer(std::move(response));
      });
}

HttpResponse Site::Malformed(PeerFault fault, std::string_view what, std::string_view address) {
  parts_.observer.PeerRefused(fault, address);
  const FaultRow row = RowOf(fault);
  Error error(row.code, std::string(ToText(fault)), std::string(what));
  if (row.status == 429 || row.status == 503) error = RetryLater(std::move(error), kRetryWhenFull);
  HttpResponse response = ErrorResponse(error, row.status);
  response.close = true;
  response.headers.emplace_back("X-Request-Id", parts_.ids.New<CommandId>().ToString());
  return response;
}

}  // namespace tallyman::http
