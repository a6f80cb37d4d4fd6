#include "main/control_authenticator.h"

#include "control/authorize.h"
#include "control/tokens/tokens.h"

namespace tallyman::app {

Result<Actor> ControlAuthenticator::Authenticate(std::string_view method,
                                                 const std::optional<std::string>& token,
                                                 store::ReadTx* tx, std::optional<Time> deadline) {
  return control::AuthenticateCall(control_, method, token, tx, deadline);
}

Status ControlAuthenticator::Permit(const Actor& actor, std::string_view method) {
  control::Call call;
  call.actor = actor;
  call.method = method;
  // Whether it is one, the request says, which is not read yet: it is asked again then.
  call.dry_run = true;
  return control::MayCall(call);
}

Status ControlAuthenticator::Read(const std::function<Status(store::ReadTx&)>& body) {
  return control_.store().Read(body);
}

}  // namespace tallyman::app
