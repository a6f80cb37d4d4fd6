#include "main/control_authenticator.h"

#include "control/tokens.h"

namespace tallyman {

Result<Actor> ControlAuthenticator::Authenticate(std::string_view method,
                                                 const std::optional<std::string>& token) {
  return AuthenticateCall(control_, method, token);
}

}  // namespace tallyman
