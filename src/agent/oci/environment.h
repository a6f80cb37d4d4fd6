// The environment of a node: the image's variables, the node's values, and the agent's own
// variables. Pure.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>

#include "agent/runtime.h"

namespace tallyman::agent::oci {

// The value network-id is NETWORK_ID.
std::string VariableName(std::string_view key);

// Names that decide which programs a container finds and what is loaded into them, and the agent's
// own names: a value with such a name is only in /tallyman/node.json and does not become a
// variable.
bool IsReservedVariable(std::string_view name);

// `environment` has NAME=VALUE lines; a value replaces the image's variable of the same name.
void PlanEnvironment(boost::json::array& environment, const NodeSpec& spec);

}  // namespace tallyman::agent::oci
