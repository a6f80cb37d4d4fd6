// NodeService: the methods that only read.
#pragma once

#include "control/control.h"
#include "tallyman/v1/node.pb.h"

namespace tallyman {

Result<v1::GetNodeResponse> GetNodeMessage(Control& control, const Call& call,
                                           const v1::GetNodeRequest& request);
Result<v1::ListNodesResponse> ListNodeMessages(Control& control, const Call& call,
                                               const v1::ListNodesRequest& request);

}  // namespace tallyman
