// Who calls: from the token that came with a call to an actor. Implemented where tokens are known.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/request.h"

namespace tallyman {

class ReadTx;

// Thread-safe. May read the database.
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // `method` as "NodeService/UpgradeNodes"; `token` as it stood behind "Bearer", nullopt when there
  // was none; `tx`: where to look the token up, null for a transaction of its own. UNAUTHENTICATED
  // for whoever may not call anything.
  virtual Result<Actor> Authenticate(std::string_view method,
                                     const std::optional<std::string>& token, ReadTx* tx) = 0;
  // Whether the actor may call the method at all. PERMISSION_DENIED.
  virtual Status Permit(const Actor& actor, std::string_view method) = 0;
  // Runs `body` with a read transaction, so that who calls and what is read are of one moment. It
  // may be run again from the start.
  virtual Status Read(const std::function<Status(ReadTx&)>& body) = 0;
};

}  // namespace tallyman
