// The payload of a command: the full node as JSON, as the control plane rendered it when the
// command was made (model/command.h, RenderPayload). Pure.
#pragma once

#include <string_view>

#include "agent/runtime.h"
#include "base/result.h"

namespace tallyman {

// INVALID_ARGUMENT PAYLOAD_INVALID, naming the field, when it does not have that form. Unknown
// parts are ignored.
Result<NodeSpec> ParsePayload(std::string_view payload);

}  // namespace tallyman
