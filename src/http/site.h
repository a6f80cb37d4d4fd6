// Routes paths: to calls, and to a few pages for machines.
//
// Thread-safe. Owns the pages; does not own the RpcHandler and the workers, which must outlive it.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "http/exchange.h"
#include "http/rpc_handler.h"

namespace tallyman::http {

// Answered to GET and HEAD.
struct SitePage {
  // True: only callers that may see the whole fleet. False: everybody, without a token.
  bool for_watchers = false;
  // Called on a worker.
  std::function<HttpResponse()> make;
};

class Site final : public HttpHandler {
 public:
  Site(RpcHandler& rpc, RpcParts parts, std::map<std::string, SitePage, std::less<>> pages)
      : rpc_(rpc), parts_(parts), pages_(std::move(pages)) {}

  std::optional<HttpResponse> Refuse(const HttpRequest& head) override;
  void Handle(HttpRequest request, std::shared_ptr<Exchange> exchange) override;
  size_t BodyBytesMax(const HttpRequest& head) override;
  void Admit(HttpRequest head, std::shared_ptr<Exchange> exchange) override;
  void PeerGone() override { parts_.observer.ClientGone(); }
  HttpResponse Malformed(PeerFault fault, std::string_view what, std::string_view address) override;
  void Cut(PeerFault fault, std::string_view address) override {
    parts_.observer.PeerRefused(fault, address);
  }

 private:
  HttpResponse Page(const SitePage& page, const HttpRequest& request, Exchange& exchange);

  RpcHandler& rpc_;
  const RpcParts parts_;
  const std::map<std::string, SitePage, std::less<>> pages_;
};

}  // namespace tallyman::http
