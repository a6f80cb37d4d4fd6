// A read transaction for one question.
#pragma once

#include <functional>

#include "control/control.h"

namespace tallyman {

// Runs `body` with a read transaction; what it returns is the answer.
template <class T>
Result<T> ReadOnce(Control& control, const std::function<Result<T>(ReadTx&)>& body) {
  Result<T> answer = Fail(Internal("NOT_READ", "nothing was read"));
  Status status = control.store().Read([&](ReadTx& tx) -> Status {
    answer = body(tx);
    return {};
  });
  if (!status) return Fail(status.error());
  return answer;
}

// The same in a transaction that there is already, if there is one.
template <class T>
Result<T> ReadIn(Control& control, ReadTx* tx, const std::function<Result<T>(ReadTx&)>& body) {
  return tx != nullptr ? body(*tx) : ReadOnce<T>(control, body);
}

}  // namespace tallyman
