// For the planner's tests: a small fleet as snapshots, whose books balance until a test breaks
// them.
//
// The fleet owns what it hands out by pointer; adding hosts or nodes keeps earlier pointers valid.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "planner/upgrade.h"

namespace tallyman::planner {

// An id of which only the last bytes differ: ids made from rising numbers rise.
template <class IdType>
IdType IdOf(int number) {
  IdType id;
  id.uuid.bytes[14] = static_cast<uint8_t>(number / 256);
  id.uuid.bytes[15] = static_cast<uint8_t>(number % 256);
  return id;
}

// Sorts the properties, as an image has them.
inline Image MakeImage(int number, const Resources& minimum,
                       std::vector<Property> properties = {}) {
  Image image;
  image.id = IdOf<ImageId>(number);
  image.protocol.key = "ethereum";
  image.version.variant = "reth";
  image.version.semantic_version = "1.0." + std::to_string(number);
  image.minimum = minimum;
  std::ranges::sort(properties, {}, &Property::key);
  image.properties = std::move(properties);
  return image;
}

inline Property MakeProperty(std::string key, std::string default_value,
                             const Resources& add = {}) {
  return {.key = std::move(key),
          .description = "",
          .default_value = std::move(default_value),
          .add = add};
}

class TestFleet {
 public:
  HostSnapshot& AddHost(const Resources& capacity = {64, 512 * kGiga, 10'000 * kGiga}) {
    int number = static_cast<int>(hosts_.size()) + 1;
    HostSnapshot& host = hosts_.emplace_back();
    host.host.id = IdOf<HostId>(number);
    host.host.name = "host-" + std::to_string(number);
    host.host.capacity = capacity;
    return host;
  }

  // A node that runs `image` with the values of `set`, charged to its host.
  NodeSnapshot& AddNode(HostSnapshot& host, const Image& image,
                        const std::map<std::string, std::string>& set = {}) {
    int number = static_cast<int>(nodes_.size()) + 1;
    NodeSnapshot& node = nodes_.emplace_back();
    node.node.id = IdOf<NodeId>(number);
    node.node.name = "node-" + std::to_string(number);
    node.node.org_id = IdOf<OrgId>(1);
    node.org_name = "acme";
    node.node.host_id = host.host.id;
    node.node.node_state = NodeState::kRunning;
    Policies no_limits;
    no_limits.node_max = {INT64_MAX, INT64_MAX, INT64_MAX};
    ConfigEdit edit;
    edit.set = set;
    NodeConfig config = ResolveNew(image, edit, no_limits).value();
    config.id = IdOf<ConfigId>(number);
    SetConfig(node, image, std::move(config));
    host.host.books = Add(host.host.books, {1, node.node.resources}).value();
    ++host.host.ledger_seq;
    return node;
  }

  std::vector<const HostSnapshot*> hosts() const { return PointersTo(hosts_); }
  std::vector<const NodeSnapshot*> nodes() const { return PointersTo(nodes_); }
  std::deque<HostSnapshot>& all_hosts() { return hosts_; }
  std::deque<NodeSnapshot>& all_nodes() { return nodes_; }

  // The sums over the live nodes' own fields, as a store reads them.
  HostSums SumsOf(const HostId& id) const {
    HostSums sums;
    for (const NodeSnapshot& node : nodes_) {
      if (node.node.host_id != id || !node.node.IsLive()) continue;
      sums.books = Add(sums.books, {1, node.node.resources}).value();
      sums.held = Add(sums.held, node.node.held).value();
    }
    return sums;
  }

  // What the second run of a request reads. The ledger's balance is `books` unless a test says
  // otherwise.
  void ReadSums() {
    for (HostSnapshot& host : hosts_) {
      host.sums = SumsOf(host.host.id);
      if (!host.ledger_balance) host.ledger_balance = host.host.books;
    }
  }

  // Writes a plan as a store would, and lets every node run what it was told to run.
  void Write(const UpgradePlan& plan, const Image& image, bool settled = true) {
    for (const auto& [id, change] : plan.books.hosts()) {
      for (HostSnapshot& host : hosts_) {
        if (host.host.id == id) {
          host.host = change.after;
          host.sums.reset();
          host.ledger_balance.reset();
        }
      }
    }
    for (const NodePlan& planned : plan.nodes) {
      for (NodeSnapshot& node : nodes_) {
        if (node.node.id == planned.before->node.id) WriteNode(node, planned, image, settled);
      }
    }
  }

 private:
  template <class T>
  static std::vector<const T*> PointersTo(const std::deque<T>& values) {
    std::vector<const T*> pointers;
    for (const T& value : values) pointers.push_back(&value);
    return pointers;
  }

  static void SetConfig(NodeSnapshot& node, const Image& image, NodeConfig config) {
    node.image = std::make_shared<Image>(image);
    node.node.image_id = image.id;
    node.node.config_id = config.id;
    node.node.resources = config.resources;
    node.node.running_config_id = config.id;
    node.running = config.resources;
    node.config = std::move(config);
  }

  void WriteNode(NodeSnapshot& node, const NodePlan& planned, const Image& image, bool settled) {
    std::optional<Resources> running = node.running;
    Resources from = planned.charged_before;
    SetConfig(node, image, planned.config);
    node.node.held = planned.held_after;
    ++node.node.version;
    if (settled) {
      // The hold goes once nothing is open; the host gives it back in the same step.
      for (HostSnapshot& host : hosts_) {
        if (host.host.id == node.node.host_id) {
          host.host.held = Subtract(host.host.held, node.node.held).value();
        }
      }
      node.node.held = {};
      node.transitions.clear();
      return;
    }
    node.running = running;
    std::erase_if(node.transitions, [&](const Transition& transition) {
      return std::ranges::find(planned.superseded, transition.id) != planned.superseded.end();
    });
    Transition& opened = node.transitions.emplace_back();
    opened.id = IdOf<CommandId>(++commands_);
    opened.kind = CommandKind::kUpgrade;
    opened.from = from;
    opened.to = planned.config.resources;
  }

  std::deque<HostSnapshot> hosts_;
  std::deque<NodeSnapshot> nodes_;
  int commands_ = 0;
};

inline const Cause kTestCause = {.request_id = "request-1", .actor_id = "ada", .now = Time{}};

inline Result<UpgradePlan> PlanAll(const TestFleet& fleet, const Image& image,
                                   const Policies& policies = {}) {
  return PlanUpgrade(fleet.nodes(), fleet.hosts(), image, policies, kTestCause);
}

}  // namespace tallyman::planner
