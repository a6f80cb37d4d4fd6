// A fair queue: work goes by lanes, within a lane by orgs, within an org by nodes, and each time to
// the least recently served. So none of them waits for the backlog of another.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <utility>

#include "model/ids.h"

namespace tallyman::agent {

enum class Lane {
  kCare,     // nodes that should run: health and restarts
  kControl,  // starting, stopping, removing
  kDisk,     // fetching images, making and resizing disks
};
inline constexpr size_t kLanes = 3;

// Not thread-safe.
class Turns {
 public:
  // The smallest is served next.
  using Key = std::array<uint64_t, 3>;
  Key KeyOf(Lane lane, const OrgId& org, const NodeId& node) const {
    return {lanes_[static_cast<size_t>(lane)], Find(orgs_, {lane, org}),
            Find(nodes_, {lane, node})};
  }
  void Serve(Lane lane, const OrgId& org, const NodeId& node) {
    ++count_;
    lanes_[static_cast<size_t>(lane)] = orgs_[{lane, org}] = nodes_[{lane, node}] = count_;
  }
  // Forgets a node that is gone. Orgs are few, and are kept.
  void Forget(const NodeId& node) {
    for (Lane lane : {Lane::kCare, Lane::kControl, Lane::kDisk}) nodes_.erase({lane, node});
  }

 private:
  template <class Map>
  static uint64_t Find(const Map& map, const typename Map::key_type& key) {
    auto found = map.find(key);
    return found == map.end() ? 0 : found->second;
  }

  uint64_t count_ = 0;
  std::array<uint64_t, kLanes> lanes_{};
  std::map<std::pair<Lane, OrgId>, uint64_t> orgs_;
  std::map<std::pair<Lane, NodeId>, uint64_t> nodes_;
};

}  // namespace tallyman::agent
