// Turns constraint failures into the errors that store.h promises.
#pragma once

#include <string_view>

#include "base/error.h"

namespace tallyman::store::sqlite {

// Any other error is returned unchanged. `subject` names the row being written, such as host
// "rack-1".
Error ExplainConstraint(Error error, std::string_view subject);

}  // namespace tallyman::store::sqlite
