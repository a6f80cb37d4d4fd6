// A failed system call as an Error: what was being done, and the system's message.
#pragma once

#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>

#include "base/result.h"

namespace tallyman::agent {

inline Error SystemError(std::string reason, std::string_view what, int error = errno) {
  Code code = Code::kInternal;
  if (error == EACCES || error == EPERM) code = Code::kPermissionDenied;
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) code = Code::kResourceExhausted;
  return Error(code, std::move(reason),
               std::string(what) + ": " + std::generic_category().message(error))
      .With("errno", std::to_string(error));
}

}  // namespace tallyman::agent
