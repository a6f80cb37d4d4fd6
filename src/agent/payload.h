// The payload of a command: the full node as JSON, as the control plane rendered it when the
// command was made (model/command.h, RenderPayload). Pure.
#pragma once

#include <string_view>

#include "agent/runtime.h"
#include "base/result.h"

namespace tallyman {

// INVALID_ARGUMENT PAYLOAD_INVALID, naming the field, when it is not of that form. What this agent
// does not know in it is left out.
Result<NodeSpec> ParsePayload(std::string_view payload);

}  // namespace tallyman
