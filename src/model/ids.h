// The id types. They are distinct, so that a HostId cannot be passed for a NodeId.
#pragma once

#include "base/id.h"

namespace tallyman {

using OrgId = Id<struct OrgTag>;
using RegionId = Id<struct RegionTag>;
using HostId = Id<struct HostTag>;
using ProtocolId = Id<struct ProtocolTag>;
using ProtocolVersionId = Id<struct ProtocolVersionTag>;
using ImageId = Id<struct ImageTag>;
using ConfigId = Id<struct ConfigTag>;
using NodeId = Id<struct NodeTag>;
using CommandId = Id<struct CommandTag>;
using TokenId = Id<struct TokenTag>;
using RolloutId = Id<struct RolloutTag>;
using PolicyId = Id<struct PolicyTag>;
using WindowId = Id<struct WindowTag>;

}  // namespace tallyman
