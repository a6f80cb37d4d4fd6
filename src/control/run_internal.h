// Operations that this program runs by itself.
#pragma once

#include <future>
#include <memory>
#include <string>
#include <utility>

#include "control/operation.h"

namespace tallyman::control {

// Begins an operation as the server, under a method "internal/...". Its answer is for nobody.
template <class Operation, class Request>
std::future<Status> BeginInternal(Control& control, std::string method, const Operation& operation,
                                  Request&& request) {
  Call call;
  call.actor = {.id = "server", .role = Role::kAdmin};
  call.method = std::move(method);
  auto promise = std::make_shared<std::promise<Status>>();
  std::future<Status> future = promise->get_future();
  Run(
      control, std::move(call), operation, std::forward<Request>(request),
      [](const auto&) { return std::string(); },
      [promise](Result<std::string> answer) {
        promise->set_value(answer ? Status() : Fail(std::move(answer).error()));
      });
  return future;
}

// Runs an operation as BeginInternal() does, and waits for it.
template <class Operation, class Request>
Status RunInternal(Control& control, std::string method, const Operation& operation,
                   Request&& request) {
  return BeginInternal(control, std::move(method), operation, std::forward<Request>(request)).get();
}

}  // namespace tallyman::control
