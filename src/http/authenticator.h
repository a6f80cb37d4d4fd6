// Who calls: from the token that came with a call to an actor. Implemented where tokens are known.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/request.h"

namespace tallyman {

// Thread-safe. May read the database.
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // `method` as "NodeService/UpgradeNodes"; `token` as it stood behind "Bearer", nullopt when there
  // was none. UNAUTHENTICATED for whoever may not call anything.
  virtual Result<Actor> Authenticate(std::string_view method,
                                     const std::optional<std::string>& token) = 0;
};

}  // namespace tallyman
