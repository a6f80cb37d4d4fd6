// Result<T>: a value or an Error. The two macros are the project's only control-flow macros.
#pragma once

#include <expected>

#include "base/error.h"

namespace tallyman {

template <class T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

inline std::unexpected<Error> Fail(Error error) { return std::unexpected<Error>(std::move(error)); }

}  // namespace tallyman

#define TALLYMAN_CONCAT_INNER(a, b) a##b
#define TALLYMAN_CONCAT(a, b) TALLYMAN_CONCAT_INNER(a, b)

// Leaves the enclosing function with the error of `expr`, if it has one.
#define RETURN_IF_ERROR(expr)                                                  \
  do {                                                                         \
    if (auto status_ = (expr); !status_.has_value())                           \
      return ::std::unexpected<::tallyman::Error>(std::move(status_).error()); \
  } while (false)

// ASSIGN_OR_RETURN(auto x, F()): leaves the enclosing function with the error of F(), or declares
// x.
#define ASSIGN_OR_RETURN(lhs, expr) \
  ASSIGN_OR_RETURN_IMPL(TALLYMAN_CONCAT(result_, __LINE__), lhs, expr)
#define ASSIGN_OR_RETURN_IMPL(result, lhs, expr)                                                   \
  auto result = (expr);                                                                            \
  if (!result.has_value()) return ::std::unexpected<::tallyman::Error>(std::move(result).error()); \
  lhs = *std::move(result)
