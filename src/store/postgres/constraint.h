// Turns violated constraints of the schema into errors that people understand.
#pragma once

#include "store/postgres/failure.h"

namespace tallyman::store::postgres {

// ALREADY_EXISTS with its own reason for a taken unique key; any failure other than a constraint
// returns `error` unchanged.
Error ExplainConstraint(const PgFailure& failure, Error error);

}  // namespace tallyman::store::postgres
