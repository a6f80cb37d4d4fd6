#include "agent/turns.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/id_source.h"
#include "base/system.h"

namespace tallyman::agent {
namespace {

TEST(Turns, GoByLaneThenByOrgThenByNodeToWhoeverWaitedTheLongest) {
  SystemClock clock;
  SeededRandom random{1};
  IdSource ids{clock, random};
  struct One {
    Lane lane;
    OrgId org;
    NodeId node;
    int served = 0;
  };
  // One org has a hundred nodes to fetch images for, another one has one, which also is to start.
  const OrgId large = ids.New<OrgId>();
  const OrgId small = ids.New<OrgId>();
  std::vector<One> all;
  for (int i = 0; i < 100; ++i) all.push_back({Lane::kDisk, large, ids.New<NodeId>()});
  all.push_back({Lane::kDisk, small, ids.New<NodeId>()});
  all.push_back({Lane::kControl, small, all.back().node});
  all.push_back({Lane::kCare, large, all.front().node});
  Turns turns;
  for (int i = 0; i < 600; ++i) {
    auto next = std::ranges::min_element(
        all, {}, [&](const One& one) { return turns.KeyOf(one.lane, one.org, one.node); });
    turns.Serve(next->lane, next->org, next->node);
    ++next->served;
  }
  EXPECT_EQ(all[100].served, 100);  // half of a third
  EXPECT_EQ(all[101].served, 200);  // a third
  EXPECT_EQ(all[102].served, 200);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(all[static_cast<size_t>(i)].served, 1) << i;
}

}  // namespace
}  // namespace tallyman::agent
