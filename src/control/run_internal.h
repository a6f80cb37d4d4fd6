// Operations that this program runs by itself.
#pragma once

#include <future>
#include <string>
#include <utility>

#include "control/operation.h"

namespace tallyman {

// Runs an operation as the server, under a method "internal/...", and waits for it. Its answer is
// for nobody.
template <class Operation, class Request>
Status RunInternal(Control& control, std::string method, const Operation& operation,
                   Request&& request) {
  Call call;
  call.actor = {.id = "server", .org_id = {}, .role = Role::kAdmin};
  call.method = std::move(method);
  std::promise<Status> promise;
  std::future<Status> future = promise.get_future();
  Run(
      control, std::move(call), operation, std::forward<Request>(request),
      [](const auto&) { return std::string(); },
      [&promise](Result<std::string> answer) {
        promise.set_value(answer ? Status() : Fail(std::move(answer).error()));
      });
  return future.get();
}

}  // namespace tallyman
