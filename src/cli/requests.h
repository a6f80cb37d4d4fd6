// Pieces that the requests of many commands are made of.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "cli/amounts.h"
#include "cli/commands.h"
#include "tallyman/v1/catalog.pb.h"
#include "tallyman/v1/common.pb.h"

namespace tallyman {

// Appends "FIELD=VALUE" to a filter; nothing when the value is empty.
void AddFilter(std::string& filter, std::string_view field, std::string_view value);

// All three dimensions; INVALID_ARGUMENT names the option that is missing or wrong.
Result<v1::Resources> ReadAmounts(const AmountOptions& options);

// KEY:DIRECTION:ACTION[:TRANSPORT[:PORTS[:IPS]]], lists separated by commas, such as
// "p2p:in:allow:both:30303" or "rpc:in:deny". INVALID_ARGUMENT, reason INVALID_FIREWALL_RULE.
Result<v1::FirewallRule> ReadFirewallRule(std::string_view field, std::string_view text);

// PROTOCOL/VARIANT@VERSION without +BUILD, into the fields of `spec`.
Status ReadImageKey(std::string_view reference, v1::ImageSpec& spec);

// "45s", "90m", "12h" or "30d" in seconds. INVALID_ARGUMENT, reason INVALID_LIFETIME.
Result<int64_t> ParseLifetime(std::string_view field, const std::string& text);

// The org that is made when there is none.
inline constexpr const char* kDefaultOrg = "default";

// The org that is meant: `given`, else TALLYMAN_ORG, else the only one there is, else, where there
// is none yet, one called "default" that is created here (not in a dry run). INVALID_ARGUMENT,
// reason ORG_REQUIRED, lists them when there are several.
Result<std::string> ChooseOrg(Context& context, const std::string& given, bool dry_run);

template <class Request>
void SetChange(Context& context, const ChangeOptions& change, Request& request) {
  request.set_request_id(context.RequestId(change.request_id));
  request.set_dry_run(change.dry_run);
  request.set_plan_token(change.plan_token);
}

template <class Request>
Status SetExpectedVersion(const ChangeOptions& change, Request& request) {
  if (change.expected_version.empty()) return {};
  ASSIGN_OR_RETURN(const int64_t version,
                   ParseCount("--expected-version", change.expected_version));
  request.set_expected_version(version);
  return {};
}

// KEY=VALUE each; INVALID_ARGUMENT when one is malformed or a key is there twice.
Result<std::vector<std::pair<std::string, std::string>>> ReadKeyValues(
    std::string_view field, const std::vector<std::string>& texts);

// All pages of a list as one answer; with --limit the first rows and the token of the next page.
template <class Response, class Request>
Result<Response> ListAll(Context& context, std::string_view method, Request request,
                         const ListOptions& options) {
  constexpr int64_t kPageSizeMax = 1000;
  int64_t left = INT64_MAX;
  if (!options.limit.empty()) {
    ASSIGN_OR_RETURN(left, ParseCount("--limit", options.limit));
    if (left == 0) return Fail(InvalidArgument("INVALID_NUMBER", "--limit is 0: write 1 or more"));
  }
  std::string filter = options.filter;
  if (!request.filter().empty()) filter = request.filter() + (filter.empty() ? "" : " ") + filter;
  request.set_filter(filter);
  if (!options.order_by.empty()) request.set_order_by(options.order_by);
  Response all;
  while (true) {
    request.set_page_size(static_cast<int32_t>(std::min(left, kPageSizeMax)));
    ASSIGN_OR_RETURN(Response page, context.Call<Response>(method, request));
    left -= std::min(left, kPageSizeMax);
    all.clear_next_page_token();
    all.MergeFrom(page);
    if (page.next_page_token().empty() || left == 0) return all;
    request.set_page_token(page.next_page_token());
  }
}

}  // namespace tallyman
