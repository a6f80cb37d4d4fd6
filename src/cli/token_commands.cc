// Commands about who may call, and who did: tokens and the audit trail.
#include <fmt/core.h>

#include "base/text.h"
#include "cli/document.h"
#include "cli/format.h"
#include "cli/requests.h"
#include "cli/views.h"
#include "tallyman/v1/audit.pb.h"
#include "tallyman/v1/token.pb.h"

namespace tallyman {
namespace {

Result<v1::Role> ReadRole(const std::string& word) {
  for (const auto role :
       {v1::ROLE_ADMIN, v1::ROLE_OPERATOR, v1::ROLE_VIEWER, v1::ROLE_HOST, v1::ROLE_JOIN}) {
    if (EnumWord(v1::Role_Name(role), "ROLE_") == word) return role;
  }
  return Fail(InvalidArgument(
      "INVALID_ROLE",
      fmt::format("--role is {}: write admin, operator, viewer, host or join", Quote(word))));
}

std::string StateOf(const v1::Token& token, Time now) {
  if (token.has_revoked_at()) return "revoked";
  if (token.has_used_at()) return "used";
  const bool expired = token.has_expires_at() &&
                       Time(std::chrono::seconds(token.expires_at().seconds()) +
                            std::chrono::microseconds(token.expires_at().nanos() / 1000)) <= now;
  return expired ? "expired" : "in force";
}

std::string BoundTo(const v1::Token& token) {
  if (!token.host().empty()) return "host " + token.host();
  if (token.role() == v1::ROLE_JOIN) return "a new host";
  return token.org().empty() ? "all orgs" : "org " + token.org();
}

}  // namespace

Result<int64_t> ParseLifetime(std::string_view field, const std::string& text) {
  struct Unit {
    char letter;
    int64_t seconds;
  };
  constexpr Unit kUnits[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86'400}};
  const char letter = text.empty() ? ' ' : text.back();
  const auto* unit = std::ranges::find(kUnits, letter, &Unit::letter);
  if (unit == std::end(kUnits)) {
    return Fail(InvalidArgument(
        "INVALID_LIFETIME",
        fmt::format("{} is {}: write a number and s, m, h or d, such as 30d", field, Quote(text))));
  }
  ASSIGN_OR_RETURN(const int64_t count, ParseCount(field, text.substr(0, text.size() - 1)));
  return ScaleAmount(field, count, unit->seconds);
}

CommandResult CreateToken(Context& context, const TokenOptions& options) {
  v1::CreateTokenRequest request;
  request.set_request_id(context.RequestId(options.request_id));
  request.set_name(options.name);
  ASSIGN_OR_RETURN(const v1::Role role, ReadRole(options.role));
  request.set_role(role);
  request.set_org(options.org);
  request.set_host(options.host);
  if (!options.expires_in.empty()) {
    ASSIGN_OR_RETURN(const int64_t seconds, ParseLifetime("--expires-in", options.expires_in));
    request.mutable_lifetime()->set_seconds(seconds);
  }
  ASSIGN_OR_RETURN(const auto response, context.Call<v1::CreateTokenResponse>(
                                            "tallyman.v1.TokenService/CreateToken", request));
  const v1::Token& token = response.token();
  if (response.secret().empty()) {
    return Fail(FailedPrecondition(
        "SECRET_SHOWN_BEFORE",
        fmt::format("token {} was made by an earlier attempt of this request, and a secret is "
                    "shown once: revoke it with \"tallyman token revoke {}\" and make another",
                    token.name(), token.name())));
  }
  if (!context.is_table()) {
    context.PrintDocument(response);
    return kExitDone;
  }
  context.Detail(
      fmt::format(
          "Made token {}: {} of {}{}.", token.name(),
          EnumWord(v1::Role_Name(token.role()), "ROLE_"), BoundTo(token),
          token.has_expires_at() ? ", until " + FormatTimestamp(token.expires_at()) + " UTC" : ""),
      Colour::kGreen);
  context.Detail("It is shown now and never again:");
  context.Line(response.secret());
  return kExitDone;
}

CommandResult ListTokens(Context& context, const ListOptions& options) {
  ASSIGN_OR_RETURN(const auto list,
                   ListAll<v1::ListTokensResponse>(context, "tallyman.v1.TokenService/ListTokens",
                                                   v1::ListTokensRequest(), options));
  if (!context.is_table()) {
    context.PrintDocument(list);
    return kExitDone;
  }
  Table table({{"TOKEN", Align::kLeft, true},
               {"ROLE"},
               {"OF", Align::kLeft, true},
               {"STATE"},
               {"CREATED"},
               {"BY", Align::kLeft, true},
               {"EXPIRES"},
               {"ID"}});
  const Time now = context.environment().clock.Now();
  for (const v1::Token& token : list.tokens()) {
    const std::string state = StateOf(token, now);
    table.AddRow({{token.name()},
                  {EnumWord(v1::Role_Name(token.role()), "ROLE_")},
                  {BoundTo(token)},
                  {state, state == "in force" ? Colour::kNone : Colour::kDim},
                  {FormatTimestamp(token.created_at())},
                  {token.created_by()},
                  {token.has_expires_at() ? FormatTimestamp(token.expires_at()) : "never"},
                  {token.id()}});
  }
  PrintList(context, table,
            "There are no tokens; make one with \"tallyman token create NAME --role ROLE\".");
  return kExitDone;
}

CommandResult RevokeToken(Context& context, const NameOptions& options) {
  v1::RevokeTokenRequest request;
  request.set_request_id(context.RequestId(options.request_id));
  request.set_token(options.name);
  ASSIGN_OR_RETURN(const auto response, context.Call<v1::RevokeTokenResponse>(
                                            "tallyman.v1.TokenService/RevokeToken", request));
  if (!context.is_table()) {
    context.PrintDocument(response);
  } else {
    context.Line(fmt::format("Revoked token {}.", response.token().name()), Colour::kGreen);
  }
  return kExitDone;
}

CommandResult ShowTrail(Context& context, const TrailOptions& options) {
  v1::ListRequestsRequest request;
  std::string& filter = *request.mutable_filter();
  AddFilter(filter, "actor", options.actor);
  AddFilter(filter, "method", options.method);
  AddFilter(filter, "request_id", options.request_id);
  // People look for what was done last.
  request.set_order_by("created_at desc");
  ASSIGN_OR_RETURN(const auto list,
                   ListAll<v1::ListRequestsResponse>(
                       context, "tallyman.v1.AuditService/ListRequests", request, options.list));
  if (!context.is_table()) {
    context.PrintDocument(list);
    return kExitDone;
  }
  Table table({{"TIME"},
               {"ACTOR", Align::kLeft, true},
               {"ORG", Align::kLeft, true},
               {"METHOD", Align::kLeft, true},
               {"FROM", Align::kLeft, true},
               {"REQUEST", Align::kLeft, true}});
  for (const v1::RequestEntry& entry : list.requests()) {
    table.AddRow({{FormatTimestamp(entry.time())},
                  {entry.actor()},
                  {entry.org()},
                  {entry.method()},
                  {entry.address().empty() ? "in process" : entry.address()},
                  {entry.request_id()}});
  }
  PrintList(context, table, "There are no such requests.");
  return kExitDone;
}

}  // namespace tallyman
