// TokenService.
#include <fmt/core.h>

#include "api/convert.h"
#include "api/list_message.h"
#include "api/method.h"
#include "control/read.h"
#include "control/reads/queries.h"
#include "control/tokens/tokens.h"
#include "tallyman/v1/token.pb.h"

namespace tallyman::api {
namespace {

// The enumerators of the API count from one: zero is unspecified.
v1::Role MessageOf(Role role) { return static_cast<v1::Role>(static_cast<int>(role) + 1); }
static_assert(v1::ROLE_ADMIN == 1 && v1::ROLE_OPERATOR == 2 && v1::ROLE_VIEWER == 3 &&
              v1::ROLE_HOST == 4 && v1::ROLE_JOIN == 5);
static_assert(static_cast<int>(Role::kAdmin) == 0 && static_cast<int>(Role::kOperator) == 1 &&
              static_cast<int>(Role::kViewer) == 2 && static_cast<int>(Role::kHost) == 3 &&
              static_cast<int>(Role::kJoin) == 4);

v1::Token MessageOf(const store::TokenRow& row) {
  const Token& token = row.token;
  v1::Token out;
  out.set_id(token.id.ToString());
  out.set_name(token.name);
  out.set_role(MessageOf(token.role));
  out.set_org(row.org);
  out.set_org_id(TextOf(token.org_id));
  out.set_host(row.host);
  out.set_host_id(TextOf(token.host_id));
  out.set_created_by(token.created_by);
  *out.mutable_created_at() = ToMessage(token.created_at);
  if (token.expires_at) *out.mutable_expires_at() = ToMessage(*token.expires_at);
  if (token.revoked_at) *out.mutable_revoked_at() = ToMessage(*token.revoked_at);
  if (token.used_at) *out.mutable_used_at() = ToMessage(*token.used_at);
  return out;
}

Status DoCreateToken(control::Control& control, control::Call call,
                     const v1::CreateTokenRequest& request, control::Done done) {
  control::CreateTokenRequest wanted{
      .name = request.name(), .org = request.org(), .host = request.host()};
  if (request.role() != v1::ROLE_UNSPECIFIED)
    wanted.role = static_cast<Role>(static_cast<int>(request.role()) - 1);
  if (request.has_lifetime()) {
    wanted.lifetime = FromMessage(request.lifetime());
    if (!wanted.lifetime) {
      return Fail(
          InvalidField("INVALID_LIFETIME", "lifetime",
                       fmt::format("is {} seconds and {} nanoseconds: give a positive "
                                   "length of time",
                                   request.lifetime().seconds(), request.lifetime().nanos())));
    }
  }
  auto encode = [](const control::MadeToken& made) {
    v1::CreateTokenResponse response;
    *response.mutable_token() = MessageOf(made.row);
    response.set_secret(made.text);
    return Serialize(response);
  };
  control::Run(control, std::move(call), control::CreateToken, wanted, encode, std::move(done));
  return {};
}

Result<v1::ListTokensResponse> DoListTokens(control::Control& control, const control::Call& call,
                                            const v1::ListTokensRequest& request) {
  ASSIGN_OR_RETURN(control::Page<store::TokenRow> page,
                   control::Read(control, call, control::ListTokens, ListOf(request)));
  v1::ListTokensResponse response;
  for (const store::TokenRow& row : page.rows) *response.add_tokens() = MessageOf(row);
  response.set_next_page_token(page.next_page_token);
  return response;
}

Status DoRevokeToken(control::Control& control, control::Call call,
                     const v1::RevokeTokenRequest& request, control::Done done) {
  auto encode = [](const control::RevokedTokens& revoked) {
    v1::RevokeTokenResponse response;
    *response.mutable_token() = MessageOf(revoked.tokens.front());
    for (const store::TokenRow& row : revoked.tokens) *response.add_tokens() = MessageOf(row);
    return Serialize(response);
  };
  control::Run(control, std::move(call), control::RevokeToken,
               control::RevokeTokenRequest{.token = request.token(), .host = request.host()},
               encode, std::move(done));
  return {};
}

Result<v1::WhoAmIResponse> DoWhoAmI(control::Control& control, const control::Call& call,
                                    const v1::WhoAmIRequest&) {
  ASSIGN_OR_RETURN(const control::CallerView view,
                   control::Read(control, call, control::WhoAmI, control::WhoAmIRequest{}));
  v1::WhoAmIResponse response;
  response.set_actor(view.actor);
  response.set_role(MessageOf(view.role));
  if (view.token) *response.mutable_token() = MessageOf(*view.token);
  return response;
}

}  // namespace

std::vector<Method> TokenMethods() {
  return {
      WriteMethod<v1::CreateTokenResponse>("tallyman.v1.TokenService/CreateToken", DoCreateToken),
      ReadMethod("tallyman.v1.TokenService/ListTokens", DoListTokens),
      WriteMethod<v1::RevokeTokenResponse>("tallyman.v1.TokenService/RevokeToken", DoRevokeToken),
      ReadMethod("tallyman.v1.TokenService/WhoAmI", DoWhoAmI),
  };
}

}  // namespace tallyman::api
