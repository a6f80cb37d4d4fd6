// Running an operation that only reads.
//
//   Result<NodeView> GetNode(const Authorized& by, ReadTx& tx, const std::string& node);
#pragma once

#include <type_traits>

#include "control/operation.h"
#include "control/read_once.h"

namespace tallyman::control {

// Authorizes, then runs `operation` with a read transaction, the call's own if it has one. All that
// a method that only reads asks of the database is in there, and ends with the caller's deadline.
template <class Operation, class Request>
std::invoke_result_t<Operation, const Authorized&, store::ReadTx&, const Request&> Read(
    Control& control, const Call& call, const Operation& operation, const Request& request) {
  ASSIGN_OR_RETURN(const Authorized by, Authorize(control, call));
  return ReadIn(control, call.tx, [&](store::ReadTx& tx) {
    control.KeepToDeadline(call.deadline, tx);
    return operation(by, tx, request);
  });
}

}  // namespace tallyman::control
