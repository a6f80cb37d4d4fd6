// Who calls, and how the call is to be remembered.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "model/request.h"

namespace tallyman::store {
class ReadTx;
}  // namespace tallyman::store

namespace tallyman::control {

struct Call {
  Actor actor;
  std::string method;      // "NodeService/UpgradeNodes"
  bool dry_run = false;    // it asks only what would happen
  std::string request_id;  // empty: Control::Begin makes one
  bool replayable =
      false;  // the caller sent the request id, so an answer may have been given before
  std::string body_digest;  // of the request without its id, so that a reused id is noticed
  // How the same request may have been recorded with older keys, or before there was one.
  std::vector<std::string> older_digests = {};
  std::string address;  // where the caller is; "" in process
  std::optional<Time> deadline;
  // Set to true by the caller to withdraw the call while it still waits; may be null.
  std::shared_ptr<std::atomic<bool>> cancelled;
  // The transaction that the actor's token was read in; what only reads goes on in it. May be null.
  store::ReadTx* tx = nullptr;
};

}  // namespace tallyman::control
