// What the steps of a fleet come to together. Pure.
#pragma once

#include "tallyman/v1/common.pb.h"
#include "tallyman/v1/fleet.pb.h"

namespace tallyman::cli {

// A row per node and a row per host, each from before the first step to after the last one; the
// warnings of all steps, of those about the same thing the last one.
v1::Changes EffectOf(const v1::ApplyFleetResponse& response);

}  // namespace tallyman::cli
