// A read transaction for one question.
#pragma once

#include <type_traits>

#include "control/control.h"

namespace tallyman::control {

// Runs `body` with a read transaction; the Result that it returns is the answer.
template <class Body>
std::invoke_result_t<Body, store::ReadTx&> ReadOnce(Control& control, const Body& body) {
  std::invoke_result_t<Body, store::ReadTx&> answer =
      Fail(Internal("NOT_READ", "nothing was read"));
  Status status = control.store().Read([&](store::ReadTx& tx) -> Status {
    answer = body(tx);
    return {};
  });
  if (!status) return Fail(status.error());
  return answer;
}

// The same in a transaction that there is already, if there is one.
template <class Body>
std::invoke_result_t<Body, store::ReadTx&> ReadIn(Control& control, store::ReadTx* tx,
                                                  const Body& body) {
  return tx != nullptr ? body(*tx) : ReadOnce(control, body);
}

}  // namespace tallyman::control
