// NodeService: the methods that only read.
#pragma once

#include "control/control.h"
#include "tallyman/v1/node.pb.h"

namespace tallyman::api {

Result<v1::GetNodeResponse> GetNodeMessage(control::Control& control, const control::Call& call,
                                           const v1::GetNodeRequest& request);
Result<v1::ListNodesResponse> ListNodeMessages(control::Control& control, const control::Call& call,
                                               const v1::ListNodesRequest& request);

}  // namespace tallyman::api
