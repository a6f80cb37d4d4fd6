// Constraint failures as the errors that store.h promises.
#pragma once

#include <string_view>

#include "base/error.h"

namespace tallyman {

// Any other error is handed through. `subject` is what was being written, such as host "rack-1".
Error ExplainConstraint(Error error, std::string_view subject);

}  // namespace tallyman
