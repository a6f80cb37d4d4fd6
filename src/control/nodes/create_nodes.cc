// New nodes: resolved like an upgrade, placed where they fit, charged at once.
#include <fmt/core.h>

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include "base/text.h"
#include "control/liveness.h"
#include "control/nodes/node_writer.h"
#include "control/nodes/nodes.h"
#include "control/read_once.h"
#include "control/reads/resolve.h"
#include "model/firewall.h"
#include "planner/placement.h"

namespace tallyman::control {
namespace {

struct CreateTargets {
  std::shared_ptr<const Image> image;
  NodeConfig config;
  Org org;
  std::optional<Region> region;
  std::vector<std::pair<HostId, int64_t>> by_hosts;
  std::vector<std::string> names;  // empty: numbered from the prefix under the lock
  std::string prefix;
  int64_t count = 0;
  PlacementStrategy strategy = PlacementStrategy::kSpread;
  bool auto_upgrade = false;
};

Error BadCount(std::string field, int64_t value) {
  return InvalidArgument("INVALID_COUNT",
                         fmt::format("{} is {}: ask for at least 1 node", field, value))
      .With("field", field)
      .With("value", std::to_string(value));
}

Result<int64_t> CountOf(const Control& control, const CreateNodesRequest& request) {
  if (request.by_hosts.empty()) {
    if (request.count < 1) return Fail(BadCount("count", request.count));
    RETURN_IF_ERROR(CheckNodeCount(control, "count", request.count));
    return request.count;
  }
  int64_t count = 0;
  for (const auto& [host, of_host] : request.by_hosts) {
    if (of_host < 1) return Fail(BadCount("by_hosts.count", of_host));
    // Each before the sum, which then cannot overflow.
    RETURN_IF_ERROR(CheckNodeCount(control, "by_hosts.count", of_host));
    count += of_host;
    RETURN_IF_ERROR(CheckNodeCount(control, "by_hosts.count", count));
  }
  return count;
}

Status CheckNames(const std::vector<std::string>& names, int64_t count) {
  if (static_cast<int64_t>(names.size()) != count) {
    return Fail(InvalidArgument("INVALID_COUNT",
                                fmt::format("names has {} names for {} nodes: name each node once, "
                                            "or leave the count out",
                                            names.size(), count))
                    .With("field", "count")
                    .With("value", std::to_string(count)));
  }
  std::unordered_set<std::string_view> seen;
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string field = fmt::format("names[{}]", i);
    RETURN_IF_ERROR(CheckNewName(field, names[i]));
    if (seen.insert(names[i]).second) continue;
    return Fail(InvalidArgument(
                    "DUPLICATE_NAME",
                    fmt::format("{} is {}, which is given twice: leave one out", field, names[i]))
                    .With("field", field));
  }
  return {};
}

Status CheckCreate(const Control& control, const CreateNodesRequest& request) {
  ASSIGN_OR_RETURN(int64_t count, CountOf(control, request));
  if (!request.names.empty()) RETURN_IF_ERROR(CheckNames(request.names, count));
  if (!request.name.empty()) {
    RETURN_IF_ERROR(CheckNewName("name", request.name));
    if (count > 1) {
      return Fail(InvalidArgument("ONE_NAME_FOR_MANY",
                                  fmt::format("{} nodes cannot share the name {}: give a "
                                              "name_prefix instead",
                                              count, request.name))
                      .With("field", "name"));
    }
  }
  if (!request.name_prefix.empty()) RETURN_IF_ERROR(CheckName("name_prefix", request.name_prefix));
  if (request.by_hosts.empty() && request.region.empty()) {
    return Fail(InvalidArgument("NO_PLACEMENT",
                                "placement names neither hosts nor a region: give one of them")
                    .With("field", "placement"));
  }
  if (request.config.firewall_rules)
    return CheckFirewallRules("firewall_rules", *request.config.firewall_rules);
  return {};
}

Status ResolveHosts(store::ReadTx& tx, const Actor& actor, const CreateNodesRequest& request,
                    CreateTargets& targets) {
  for (const auto& [name, count] : request.by_hosts) {
    ASSIGN_OR_RETURN(store::HostRow row, ResolveHost(tx, actor, name));
    auto known =
        std::ranges::find(targets.by_hosts, row.host.id, &std::pair<HostId, int64_t>::first);
    if (known == targets.by_hosts.end()) {
      targets.by_hosts.emplace_back(row.host.id, count);
    } else {
      known->second += count;
    }
  }
  return {};
}

// Rules that are named replace the image's of the same key; the others stay.
planner::ConfigEdit EditOf(const Image& image, const planner::ConfigEdit& asked) {
  planner::ConfigEdit edit = asked;
  if (!edit.firewall_rules) return edit;
  for (const FirewallRule& rule : image.firewall_rules) {
    if (std::ranges::find(*edit.firewall_rules, rule.key, &FirewallRule::key) ==
        edit.firewall_rules->end()) {
      edit.firewall_rules->push_back(rule);
    }
  }
  return edit;
}

Result<CreateTargets> ResolveCreate(store::ReadTx& tx, const Authorized& by,
                                    const CreateNodesRequest& request) {
  CreateTargets targets;
  ASSIGN_OR_RETURN(targets.image, ResolveImage(tx, by.actor(), request.image));
  ASSIGN_OR_RETURN(targets.org, ResolveOrg(tx, by.actor(), request.org));
  if (!IsVisibleTo(*targets.image, targets.org.id)) return Fail(ImageNotFound(request.image));
  ASSIGN_OR_RETURN(targets.config,
                   planner::ResolveNew(*targets.image, EditOf(*targets.image, request.config),
                                       by.control().policies()));
  if (request.by_hosts.empty()) {
    ASSIGN_OR_RETURN(targets.region, ResolveRegion(tx, request.region));
  } else {
    RETURN_IF_ERROR(ResolveHosts(tx, by.actor(), request, targets));
  }
  ASSIGN_OR_RETURN(targets.count, CountOf(by.control(), request));
  targets.strategy = request.strategy;
  targets.auto_upgrade = request.auto_upgrade;
  if (!request.names.empty()) {
    targets.names = request.names;
  } else if (!request.name.empty()) {
    targets.names = {request.name};
  } else {
    targets.prefix = request.name_prefix.empty()
                         ? targets.image->protocol.key + "-" + targets.image->version.variant
                         : request.name_prefix;
  }
  return targets;
}

Error Cordoned(const Host& host) {
  return FailedPrecondition("HOST_CORDONED",
                            fmt::format("host {} is cordoned and takes no new nodes: choose "
                                        "another host; `tallyman host show {}` "
                                        "shows who cordoned it and why",
                                        host.name, host.name))
      .About("host " + host.name);
}

// On books whose drift is settled, so that a wrong counter neither turns a node away nor lets one
// in.
Result<std::vector<HostId>> Place(const CreateTargets& targets, const store::Snapshot& snapshot,
                                  const planner::BooksPlan& books) {
  if (targets.by_hosts.empty()) {
    std::vector<const Host*> candidates;
    for (const HostId& id : snapshot.candidates) candidates.push_back(&books.hosts().at(id).before);
    return planner::PlaceInRegion(candidates, targets.config.resources, targets.count,
                                  targets.strategy, targets.region->name);
  }
  std::vector<HostId> placed;
  for (const auto& [id, count] : targets.by_hosts) {
    auto change = books.hosts().find(id);
    if (change == books.hosts().end())
      return Fail(NotFound("HOST_NOT_FOUND", "host " + id.ToString() + " is gone"));
    if (change->second.before.cordoned) return Fail(Cordoned(change->second.before));
    Status fits = planner::CheckFits(change->second.before, targets.config.resources, count);
    if (!fits && !snapshot.hosts.at(id).sums) {
      return Fail(
          FailedPrecondition(planner::kDriftSuspected, "the counters say that it does not fit"));
    }
    RETURN_IF_ERROR(fits);
    placed.insert(placed.end(), static_cast<size_t>(count), id);
  }
  return placed;
}

Error NameTaken(const std::string& name, const std::string& field) {
  return AlreadyExists("NODE_NAME_TAKEN",
                       fmt::format("node {} exists already: choose another name", name))
      .About("node " + name)
      .With("field", field);
}

// Those that were asked for, or PREFIX-1, PREFIX-2, ...: the first numbers that are free.
Result<std::vector<std::string>> NamesOf(const CreateTargets& targets,
                                         const store::Snapshot& snapshot, store::ReadTx& tx) {
  std::vector<std::string> names = targets.names;
  for (size_t i = 0; i < names.size(); ++i) {
    if (!snapshot.taken_names.contains(names[i])) continue;
    return Fail(NameTaken(names[i], names.size() == 1 ? "name" : fmt::format("names[{}]", i)));
  }
  if (!names.empty()) return names;
  ASSIGN_OR_RETURN(int64_t number, tx.NextNodeNumber(targets.prefix));
  for (int64_t i = 0; i < targets.count; ++i)
    names.push_back(fmt::format("{}-{}", targets.prefix, number + i));
  // The last is the longest.
  RETURN_IF_ERROR(CheckNewName("name_prefix", names.back()));
  return names;
}

Result<Decided<Changes>> DecideCreate(const Authorized& by, const CreateTargets& targets,
                                      const store::Snapshot& snapshot, store::ReadTx& tx) {
  ASSIGN_OR_RETURN(auto names, NamesOf(targets, snapshot, tx));
  std::vector<const HostSnapshot*> hosts;
  for (const auto& [id, host] : snapshot.hosts) hosts.push_back(&host);
  // Whichever store read them: of several drifts the same is named.
  std::ranges::sort(hosts, {}, [](const HostSnapshot* host) { return host->host.id; });
  NodeWriter writer(by);
  ASSIGN_OR_RETURN(planner::BooksPlan books,
                   planner::BooksPlan::Begin(hosts, {}, by.control().policies(), writer.cause()));
  ASSIGN_OR_RETURN(auto placed, Place(targets, snapshot, books));
  ASSIGN_OR_RETURN(std::vector<planner::Warning> unheard, WarnOfUnheard(placed, snapshot, tx));
  for (size_t i = 0; i < placed.size(); ++i) {
    const Host& host = snapshot.hosts.at(placed[i]).host;
    Node node;
    node.name = names[i];
    node.org_id = targets.org.id;
    node.host_id = host.id;
    node.auto_upgrade = targets.auto_upgrade;
    ASSIGN_OR_RETURN(const NodeId id, writer.Create(std::move(node), targets.config, *targets.image,
                                                    host, targets.org.name));
    RETURN_IF_ERROR(books.Move({.host_id = host.id,
                                .node_id = id,
                                .kind = LedgerKind::kCreate,
                                .after = {1, targets.config.resources}}));
  }
  Decided<Changes> decision = writer.Finish(books);
  std::ranges::copy(unheard, std::back_inserter(decision.warnings));
  std::ranges::move(unheard, std::back_inserter(decision.answer.warnings));
  return decision;
}

}  // namespace

Result<Proposal<Changes>> CreateNodes(const Authorized& by, const CreateNodesRequest& request) {
  RETURN_IF_ERROR(CheckCreate(by.control(), request));
  ASSIGN_OR_RETURN(CreateTargets targets, ReadOnce(by.control(), [&](store::ReadTx& tx) {
                     return ResolveCreate(tx, by, request);
                   }));
  Proposal<Changes> proposal{.solo = true, .rows = targets.count, .plan = request.plan};
  proposal.locks.node_names = targets.names;
  proposal.locks.orgs = {targets.org.id};
  proposal.locks.with_quotas = true;
  for (const auto& [id, count] : targets.by_hosts) proposal.locks.hosts.push_back(id);
  if (targets.region) {
    proposal.locks.placement = store::PlacementQuery{.region_id = targets.region->id,
                                                     .need = targets.config.resources,
                                                     .strategy = targets.strategy,
                                                     .limit = targets.count};
  }
  proposal.decide = [targets = std::move(targets)](
                        const Authorized& as, const store::Snapshot& snapshot, store::ReadTx& tx) {
    return DecideCreate(as, targets, snapshot, tx);
  };
  return proposal;
}

}  // namespace tallyman::control
