// Constraints of the schema as errors that people understand.
#pragma once

#include "store/postgres/failure.h"

namespace tallyman {

// ALREADY_EXISTS with a reason of its own for a unique key that is taken; `error` as it is for what
// is no constraint.
Error ExplainConstraint(const PgFailure& failure, Error error);

}  // namespace tallyman
