// Authenticates callers by the tokens in the database.
#pragma once

#include "control/control.h"
#include "http/authenticator.h"

namespace tallyman {

// Thread-safe. Does not own the control.
class ControlAuthenticator final : public Authenticator {
 public:
  explicit ControlAuthenticator(Control& control) : control_(control) {}
  Result<Actor> Authenticate(std::string_view method, const std::optional<std::string>& token,
                             ReadTx* tx) override;
  Status Permit(const Actor& actor, std::string_view method) override;
  Status Read(const std::function<Status(ReadTx&)>& body) override;

 private:
  Control& control_;
};

}  // namespace tallyman
