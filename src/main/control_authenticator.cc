#include "main/control_authenticator.h"

#include "control/authorize.h"
#include "control/tokens/tokens.h"

namespace tallyman {

Result<Actor> ControlAuthenticator::Authenticate(std::string_view method,
                                                 const std::optional<std::string>& token,
                                                 ReadTx* tx) {
  return AuthenticateCall(control_, method, token, tx);
}

Status ControlAuthenticator::Permit(const Actor& actor, std::string_view method) {
  Call call;
  call.actor = actor;
  call.method = method;
  return MayCall(call);
}

Status ControlAuthenticator::Read(const std::function<Status(ReadTx&)>& body) {
  return control_.store().Read(body);
}

}  // namespace tallyman
