// The words about tokens: who may call over a network.
#include <fmt/core.h>

#include "cli/format.h"
#include "cli/list.h"
#include "cli/nouns.h"
#include "cli/requests.h"
#include "cli/views.h"
#include "tallyman/v1/token.pb.h"

namespace tallyman::cli {
namespace {

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

ExitStatus CreateToken(Context& context, v1::CreateTokenRequest& request) {
  ASSIGN_OR_RETURN(const auto response, Change<v1::CreateTokenResponse>(context, request));
  const v1::Token& token = response.token();
  if (response.secret().empty()) {
    return Fail(FailedPrecondition(
        "SECRET_SHOWN_BEFORE",
        fmt::format("token {} was created by an earlier attempt of this request, and a secret is "
                    "shown once: revoke it with \"tallyman token revoke {}\" and create another",
                    token.name(), token.name())));
  }
  context.Answer(response, [&] {
    context.Detail(
        fmt::format("Created token {}: {} of {}{}.", token.name(), EnumWord(token.role()),
                    BoundTo(token),
                    token.has_expires_at() ? ", until " + FormatTimestamp(token.expires_at()) : ""),
        Colour::kGreen);
    context.Detail("Its secret is shown only now:");
    context.Line(response.secret());
  });
  if (context.environment().out.flush()) return kExitDone;
  return Fail(Internal("OUTPUT_FAILED",
                       fmt::format("token {} was created, but its secret could not be written to "
                                   "standard output and is shown only once: revoke the token with "
                                   "\"tallyman token revoke {}\", and create it again",
                                   token.name(), token.id()))
                  .About("token " + token.name()));
}

ExitStatus RevokeToken(Context& context, v1::RevokeTokenRequest& request) {
  ASSIGN_OR_RETURN(auto response, Change<v1::RevokeTokenResponse>(context, request));
  // A server that is older than `tokens` names the one.
  if (response.tokens().empty()) *response.add_tokens() = response.token();
  return context.Answer(response, [&] {
    for (const v1::Token& token : response.tokens())
      context.Line(fmt::format("Revoked token {}.", token.name()), Colour::kGreen);
  });
}

ExitStatus ShowCaller(Context& context, v1::WhoAmIRequest& request) {
  ASSIGN_OR_RETURN(const auto response, context.Call<v1::WhoAmIResponse>(request));
  return context.Answer(response, [&] {
    const v1::Token& token = response.token();
    const bool has_token = response.has_token();
    PrintFields(context,
                {{"name", response.actor()},
                 {"role", fmt::format("{} of {}", EnumWord(response.role()), BoundTo(token))},
                 {"token", has_token ? token.id() : "none: the database itself is open to you"},
                 {"created", FormatTimestamp(token.created_at())},
                 {"by", token.created_by()},
                 {"expires", !has_token               ? ""
                             : token.has_expires_at() ? FormatTimestamp(token.expires_at())
                                                      : "never"}});
    if (context.globals().quiet) context.Line(response.actor());
  });
}

void DefineTokenCreate(Word token) {
  auto [verb, request] = token.Verb<v1::CreateTokenRequest>(
      "create", "Create a token; its secret is shown once, on the last line",
      "  tallyman token create ci --role operator --org acme --expires-in 90d\n"
      "  tallyman token create rack-7 --role join       admits a new host, within a day\n"
      "  tallyman -q token create dash --role viewer >token",
      CreateToken);
  verb.Argument("NAME", request.mutable_name(), "The name recorded with each change made with it");
  verb.Choice("--role", "ROLE", request, &v1::CreateTokenRequest::set_role,
              "admin, operator, viewer, host or join")
      .Required();
  verb.Text("--org", "ORG", request.mutable_org(), "For this org only (default: all orgs)");
  verb.Text("--host", "HOST", request.mutable_host(), "With host and join: for this host only");
  AddSpan(verb, "--expires-in", request, &v1::CreateTokenRequest::mutable_lifetime,
          "Such as 12h or 90d (default: never; join: 24h)");
  AddRequestId(verb, request);
}

void DefineTokenList(Word noun) {
  const ListCommand<v1::ListTokensRequest, v1::ListTokensResponse, v1::Token> list = {
      .description = "List tokens, including those no longer in force",
      .examples = "  tallyman token list --filter role=host",
      .item = "token",
      .fields = "name, role, org, host, created_at, expires_at, revoked_at",
      .by_name = true,
      .columns = {{"TOKEN", Align::kLeft, true},
                  {"ROLE"},
                  {"OF", Align::kLeft, true},
                  {"STATE"},
                  {"CREATED"},
                  {"BY", Align::kLeft, true},
                  {"EXPIRES"},
                  {"ID"}},
      .items = &v1::ListTokensResponse::tokens,
      .row = [](Context& context, const v1::Token& token) -> std::vector<Cell> {
        const std::string state = StateOf(token, context.environment().clock.Now());
        return {{token.name()},
                {EnumWord(token.role())},
                {BoundTo(token)},
                {state, state == "in force" ? Colour::kNone : Colour::kDim},
                {FormatTimestamp(token.created_at())},
                {token.created_by()},
                {token.has_expires_at() ? FormatTimestamp(token.expires_at()) : "never"},
                {token.id()}};
      },
      .when_empty =
          "There are no tokens; create one with \"tallyman token create NAME --role ROLE\"."};
  list.Define(noun);
}

}  // namespace

void DefineToken(Word root) {
  Word token = root.Noun("token", "Tokens: who may call over a network, and what for",
                         "  tallyman token create ci --role operator --org acme --expires-in 90d\n"
                         "  tallyman token list\n"
                         "  tallyman token revoke ci");
  DefineTokenCreate(token);
  DefineTokenList(token);
  auto [revoke, request] = token.Verb<v1::RevokeTokenRequest>(
      "revoke", "Revoke a token, or all of a host; the next call with it is refused",
      "  tallyman token revoke ci\n"
      "  tallyman token revoke --host h1",
      RevokeToken);
  const Option name =
      revoke.Argument("TOKEN", request.mutable_token(), "Name or id, not the secret")
          .Required(false);
  revoke.Text("--host", "HOST", request.mutable_host(), "All tokens in force that admit this host")
      .Excludes(name);
  AddRequestId(revoke, request);
}

void DefineWhoAmI(Word root) {
  root.Verb<v1::WhoAmIRequest>("whoami", "Show who you are: name, role, and the token you use",
                               "  tallyman whoami\n"
                               "  tallyman -q whoami       only the name",
                               ShowCaller);
}

}  // namespace tallyman::cli
