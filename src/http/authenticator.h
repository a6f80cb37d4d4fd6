// Authentication: resolves the token of a call to an actor. main implements it on top of control.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "model/request.h"

namespace tallyman::store {
class ReadTx;
}  // namespace tallyman::store

namespace tallyman::http {

// Thread-safe. May read the database.
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // `method` as "NodeService/UpgradeNodes"; `token` is the text after "Bearer", nullopt when there
  // was none; `tx` is the transaction in which to look up the token, null for a separate one.
  // UNAUTHENTICATED if the token is missing or not valid. Ends at the deadline, if there is one.
  virtual Result<Actor> Authenticate(std::string_view method,
                                     const std::optional<std::string>& token, store::ReadTx* tx,
                                     std::optional<Time> deadline) = 0;
  // Whether the actor may call the method at all. PERMISSION_DENIED.
  virtual Status Permit(const Actor& actor, std::string_view method) = 0;
  // Runs `body` with a read transaction, so that who calls and what is read are of one moment. It
  // may be run again from the start.
  virtual Status Read(const std::function<Status(store::ReadTx&)>& body) = 0;
};

}  // namespace tallyman::http
