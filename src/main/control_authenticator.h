// Authenticates callers by the tokens in the database.
#pragma once

#include "control/control.h"
#include "http/authenticator.h"

namespace tallyman::app {

// Thread-safe. Does not own the control.
class ControlAuthenticator final : public http::Authenticator {
 public:
  explicit ControlAuthenticator(control::Control& control) : control_(control) {}
  Result<Actor> Authenticate(std::string_view method, const std::optional<std::string>& token,
                             store::ReadTx* tx, std::optional<Time> deadline) override;
  Status Permit(const Actor& actor, std::string_view method) override;
  Status Read(const std::function<Status(store::ReadTx&)>& body) override;

 private:
  control::Control& control_;
};

}  // namespace tallyman::app
