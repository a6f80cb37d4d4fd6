// The payload of a command: the full node as JSON, as the control plane rendered it when the
// command was made (model/command.h, RenderPayload). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/runtime.h"
#include "base/result.h"

namespace tallyman::agent {

// INVALID_ARGUMENT PAYLOAD_INVALID, naming the field, when it does not have that form. Unknown
// parts are ignored.
Result<NodeSpec> ParsePayload(std::string_view payload);

// The payload of a node whose disk has stayed larger than its config says, because an upgrade could
// be undone in part only; 0: it is what the config says.
std::string KeepDisk(std::string_view payload, int64_t disk_bytes);
int64_t KeptDisk(std::string_view payload);
// As the node is on its machine: with the disk that it has kept.
Result<NodeSpec> ParseAsInstalled(std::string_view payload);

}  // namespace tallyman::agent
