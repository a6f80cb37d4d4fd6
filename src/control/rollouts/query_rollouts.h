// What is read of rollouts, for Read().
#pragma once

#include <string>
#include <vector>

#include "control/reads/queries.h"

namespace tallyman::control {

struct RolloutSummary {
  store::RolloutRow row;
  std::vector<RolloutCount> counts;
};
// NOT_FOUND ROLLOUT_NOT_FOUND.
Result<RolloutSummary> GetRollout(const Authorized& by, store::ReadTx& tx,
                                  const std::string& rollout);
Result<Page<RolloutSummary>> ListRollouts(const Authorized& by, store::ReadTx& tx,
                                          const ListRequest& request);

struct RolloutNodeView {
  store::RolloutNodeRow row;
  std::string why;  // of a failure or a skip, or what a waiting node waits for now
};
struct ListRolloutNodesRequest {
  std::string rollout;
  ListRequest list;
};
Result<Page<RolloutNodeView>> ListRolloutNodes(const Authorized& by, store::ReadTx& tx,
                                               const ListRolloutNodesRequest& request);

}  // namespace tallyman::control
