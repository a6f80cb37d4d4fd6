// What each operation on nodes comes to.
#include <algorithm>
#include <tuple>

#include "tests/differential/node_work.h"

namespace tallyman {
namespace {

template <class Response>
void Answer(Prediction& p, v1::Changes changes) {
  auto response = std::make_unique<Response>();
  *response->mutable_changes() = std::move(changes);
  p.answer = std::move(response);
}

std::map<std::string, std::string> MapOf(
    const google::protobuf::Map<std::string, std::string>& values) {
  return {values.begin(), values.end()};
}

// A value that was changed from the old image's default is kept, and costs what the new image says.
std::shared_ptr<PlainConfig> Upgraded(const PlainConfig& old,
                                      const std::shared_ptr<const PlainImage>& image,
                                      Prediction& p) {
  std::map<std::string, std::string> values;
  std::set<std::string> changed;
  for (const auto& [key, property] : image->properties) values[key] = property.default_value;
  for (const auto& [key, value] : old.values) {
    auto before = old.image->properties.find(key);
    auto now = image->properties.find(key);
    bool known_now = now != image->properties.end();
    std::string standard = value + "x";  // known to neither: counts as changed
    if (before != old.image->properties.end()) {
      standard = before->second.default_value;
    } else if (known_now) {
      standard = now->second.default_value;
    }
    if (value != standard) changed.insert(key);
    if (value != standard || !known_now) values[key] = value;
  }
  return ConfigOf(image, std::move(values), changed, p);
}

// What a node shows that it waits for, until its host has taken such a command.
std::optional<NextState> NextOf(CommandKind kind) {
  switch (kind) {
    case CommandKind::kUpgrade:
      return NextState::kUpgrading;
    case CommandKind::kStart:
      return NextState::kStarting;
    case CommandKind::kStop:
      return NextState::kStopping;
    case CommandKind::kRestart:
      return NextState::kRestarting;
    default:
      return std::nullopt;
  }
}

std::vector<PlainNode*> Select(Prediction& p, const PlainCaller& caller,
                               const v1::NodeSelector& selector, const PlainImage* image,
                               v1::UpgradeNodesResponse& response) {
  if (selector.protocol().empty() ||
      (selector.variant().empty() && !selector.semantic_version().empty())) {
    p.Refuse("INCOMPLETE_SELECTOR");
    return {};
  }
  std::vector<PlainNode*> selected;
  for (auto& [id, node] : p.after.nodes) {
    const PlainImage& has = *node.config->image;
    auto is = [](const std::string& wanted, const std::string& value, const std::string& other) {
      return wanted.empty() || wanted == value || wanted == other;
    };
    const std::string& region = p.after.hosts.at(node.host).region;
    bool matches = !node.gone && has.protocol == selector.protocol() &&
                   is(selector.variant(), has.variant, has.variant) &&
                   is(selector.semantic_version(), has.version, has.version) &&
                   is(selector.region(), region, p.after.regions.at(region)) &&
                   is(selector.org(), node.org, p.after.orgs.at(node.org)) &&
                   (caller.org.empty() || caller.org == node.org);
    if (!matches) continue;
    if (image != nullptr && has.id == image->id) {
      response.set_same_image_count(response.same_image_count() + 1);
    } else if (node.IsBeingDeleted()) {
      response.set_deleting_count(response.deleting_count() + 1);
    } else {
      selected.push_back(&node);
    }
  }
  std::ranges::sort(selected, {}, &PlainNode::name);
  if (selected.empty() && response.same_image_count() + response.deleting_count() == 0) {
    p.Refuse("NO_NODE_MATCHES");
  }
  return selected;
}

// Hosts of the region for nodes one after the other; each sees the ones before.
std::vector<std::string> PlaceIn(Prediction& p, const std::string& region, int64_t count,
                                 const Resources& needs, bool pack) {
  std::vector<PlainHost> hosts;
  for (const auto& [name, host] : p.after.hosts) {
    if (host.region == region && !host.silent && host.claims.empty()) hosts.push_back(host);
  }
  std::vector<std::string> placed;
  for (int64_t i = 0; i < count; ++i) {
    PlainHost* best = nullptr;
    for (PlainHost& host : hosts) {
      Resources left = Minus(host.Free(), needs);
      if (left.AnyNegative()) continue;
      auto rank = [&](const PlainHost& h) {
        Resources free = h.Free();
        return pack ? std::tuple(!h.heard, free.cpu_cores, free.memory_bytes, h.id)
                    : std::tuple(!h.heard, h.books.node_count, -free.cpu_cores, h.id);
      };
      if (best == nullptr || rank(host) < rank(*best)) best = &host;
    }
    if (best == nullptr) {
      p.Refuse("NO_HOST_FITS");
      return {};
    }
    best->books = Plus(best->books, {1, needs});
    placed.push_back(best->name);
  }
  return placed;
}

struct Wanted {
  int64_t count = 0;
  std::vector<std::pair<std::string, int64_t>> by_hosts;  // each host once
  std::string region;
};

// Of a request for nodes in a region.
int64_t CountIn(const v1::CreateNodesRequest& request) {
  if (request.count() != 0) return request.count();
  return request.names().empty() ? 1 : request.names_size();
}

constexpr int64_t kNodesMax = 3'000;

// What is wrong with a create before anything is looked up.
void CheckCreate(Prediction& p, const v1::CreateNodesRequest& request) {
  if (request.has_name() && !IsName(request.name())) p.Refuse("INVALID_NAME");
  if (request.has_name_prefix() && !IsName(request.name_prefix())) p.Refuse("INVALID_NAME");
  // By a name that looks like an id nobody could call the node.
  if (request.has_name() && IsId(request.name())) p.Refuse("INVALID_NAME");
  std::set<std::string> names(request.names().begin(), request.names().end());
  if (!names.empty() && (request.has_name() || request.has_name_prefix()))
    p.Refuse("NAMES_AND_NAME");
  if (static_cast<int>(names.size()) != request.names_size()) p.Refuse("DUPLICATE_NAME");
  for (const std::string& name : names)
    if (!IsName(name) || IsId(name)) p.Refuse("INVALID_NAME");
  int64_t count = CountIn(request);
  if (request.has_by_hosts()) {
    if (request.by_hosts().hosts().empty()) p.Refuse("NO_HOSTS");
    count = 0;
    for (const v1::HostCount& item : request.by_hosts().hosts()) {
      if (item.count() < 1 || item.count() > kNodesMax) {
        p.Refuse("INVALID_COUNT");
        if (item.count() > kNodesMax) p.Refuse("TOO_MANY_NODES");
        return;
      }
      count += item.count();
    }
    if (request.count() != 0 && request.count() != count) p.Refuse("INVALID_COUNT");
  } else if (!request.has_by_region()) {
    p.Refuse("NO_PLACEMENT");
  } else if (request.by_region().region().empty()) {
    p.Refuse("NO_REGION");
  }
  if (count < 1) p.Refuse("INVALID_COUNT");
  if (count > kNodesMax) p.Refuse("TOO_MANY_NODES");
  if (request.has_name() && count > 1) p.Refuse("ONE_NAME_FOR_MANY");
  if (!names.empty() && request.names_size() != count) p.Refuse("INVALID_COUNT");
}

Wanted WantedBy(Prediction& p, const v1::CreateNodesRequest& request) {
  Wanted wanted;
  for (const v1::HostCount& item : request.by_hosts().hosts()) {
    const PlainHost* host = p.after.FindHost(item.host());
    if (host == nullptr) {
      p.Refuse("HOST_NOT_FOUND");
      continue;
    }
    wanted.count += item.count();
    auto known =
        std::ranges::find(wanted.by_hosts, host->name, &std::pair<std::string, int64_t>::first);
    if (known == wanted.by_hosts.end()) {
      wanted.by_hosts.emplace_back(host->name, item.count());
    } else {
      known->second += item.count();
    }
  }
  if (request.has_by_region()) {
    const std::string* region = p.after.FindRegion(request.by_region().region());
    if (region == nullptr) {
      p.Refuse("REGION_NOT_FOUND");
    } else {
      wanted.region = *region;
    }
    wanted.count = CountIn(request);
  }
  return wanted;
}

std::vector<std::string> NamesFor(Prediction& p, const v1::CreateNodesRequest& request,
                                  const PlainImage& image, int64_t count) {
  if (request.has_name()) {
    if (p.after.FindNode(request.name()) != nullptr) p.Refuse("NODE_NAME_TAKEN");
    return {request.name()};
  }
  if (!request.names().empty()) {
    for (const std::string& name : request.names())
      if (p.after.FindNode(name) != nullptr) p.Refuse("NODE_NAME_TAKEN");
    return {request.names().begin(), request.names().end()};
  }
  std::string prefix = request.name_prefix();
  if (prefix.empty()) prefix = image.protocol + "-" + image.variant;
  auto last = p.after.last_numbers.find(prefix);
  int64_t first = last == p.after.last_numbers.end() ? 1 : last->second + 1;
  std::vector<std::string> names;
  for (int64_t i = 0; i < count; ++i) names.push_back(prefix + "-" + std::to_string(first + i));
  if (!IsName(names.back())) p.Refuse("INVALID_NAME");
  return names;
}

// Settles drift and says which host takes each node.
std::vector<std::string> PlaceOnHosts(Prediction& p, NodeWork& work, const Wanted& wanted,
                                      const Resources& needs) {
  std::set<std::string> hosts;
  std::vector<std::string> placed;
  for (const auto& [name, count] : wanted.by_hosts) {
    hosts.insert(name);
    placed.insert(placed.end(), static_cast<size_t>(count), name);
  }
  work.OpenHosts(hosts);
  for (const auto& [name, count] : wanted.by_hosts) {
    Resources free = p.after.hosts.at(name).Free();
    auto fits = [nodes = static_cast<__int128>(count)](int64_t need, int64_t has) {
      return nodes * need <= has;
    };
    if (!fits(needs.cpu_cores, free.cpu_cores) || !fits(needs.memory_bytes, free.memory_bytes) ||
        !fits(needs.disk_bytes, free.disk_bytes)) {
      // Counters that may be wrong decide nothing: the sums are asked, and tell of drift first.
      work.OpenHosts(hosts, true);
      if (p.accepted()) p.Refuse("HOST_FULL");
      break;
    }
  }
  for (const std::string& name : hosts)
    if (!p.after.hosts.at(name).claims.empty()) p.Refuse("HOST_CORDONED");
  return placed;
}

// As the answer says, wherever they fit once the drift that it reports is settled.
std::vector<std::string> PlaceAsSeen(Prediction& p, NodeWork& work, const Wanted& wanted,
                                     const Resources& needs, const v1::Changes& seen) {
  std::set<std::string> hosts;
  std::vector<std::string> placed;
  auto take = [&](const std::string& name) {
    auto host = p.after.hosts.find(name);
    bool fine = host != p.after.hosts.end() && host->second.region == wanted.region &&
                !host->second.silent && host->second.claims.empty();
    if (fine) hosts.insert(name);
    return fine;
  };
  for (const v1::NodeChange& node : seen.nodes()) {
    if (take(node.host())) placed.push_back(node.host());
  }
  for (const v1::HostChange& host : seen.hosts()) take(host.host());
  if (static_cast<int64_t>(placed.size()) != wanted.count) p.Refuse("PLACED_ELSEWHERE");
  work.OpenHosts(hosts);
  std::map<std::string, int64_t> counts;
  for (const std::string& name : placed) {
    ++counts[name];
    Resources left = p.after.hosts.at(name).Free();
    for (int64_t i = 0; i < counts[name]; ++i) left = Minus(left, needs);
    if (left.AnyNegative()) p.Refuse("PLACED_WHERE_IT_DOES_NOT_FIT");
  }
  return placed;
}

}  // namespace

Prediction PredictCreate(const PlainFleet& fleet, const PlainCaller& caller,
                         const v1::CreateNodesRequest& request,
                         const v1::CreateNodesResponse* answer) {
  Prediction p(fleet);
  NodeWork work(p, caller, request.dry_run(), request.plan_token());
  // What the form of a request says is wrong may come before who sent it.
  CheckCreate(p, request);
  if (!MayOperate(caller, p)) return p;
  auto image = FindImage(caller, request.image(), p);
  const std::string* org = fleet.FindOrg(request.org());
  if (org == nullptr || (!caller.org.empty() && caller.org != *org)) {
    p.Refuse("ORG_NOT_FOUND");
  } else if (image != nullptr && !image->IsVisibleTo(*org)) {
    p.Refuse("IMAGE_NOT_FOUND");
  }
  std::shared_ptr<PlainConfig> config;
  if (image != nullptr) {
    std::map<std::string, std::string> defaults;
    for (const auto& [key, property] : image->properties) defaults[key] = property.default_value;
    config = Edited(image, std::move(defaults), MapOf(request.values()), {}, p);
  }
  if (!p.accepted()) return p;
  Wanted wanted = WantedBy(p, request);
  if (!p.accepted()) return p;
  std::vector<std::string> names = NamesFor(p, request, *image, wanted.count);
  std::vector<std::string> placed;
  if (wanted.region.empty()) {
    placed = PlaceOnHosts(p, work, wanted, config->needs);
  } else if (p.after.HasDriftIn(wanted.region)) {
    p.placement_open = true;
    if (answer == nullptr) {
      p.Refuse("NO_HOST_FITS");
      if (fleet.policies.abort_on_drift) p.Refuse("HOST_BOOKS_DRIFTED");
      if (!request.plan_token().empty()) p.Refuse("PLAN_STALE");
      return p;
    }
    placed = PlaceAsSeen(p, work, wanted, config->needs, answer->changes());
  } else {
    placed = PlaceIn(p, wanted.region, wanted.count, config->needs,
                     request.by_region().strategy() == v1::PLACEMENT_STRATEGY_PACK);
    std::set<std::string> hosts(placed.begin(), placed.end());
    work.OpenHosts(hosts);
  }
  if (!p.accepted()) return p;
  for (size_t i = 0; i < placed.size(); ++i)
    work.Create(names[i], *org, placed[i], config, request.auto_upgrade());
  work.hosts().WarnOfUnheard(placed);
  Answer<v1::CreateNodesResponse>(p, work.Finish());
  return p;
}

Prediction PredictUpgrade(const PlainFleet& fleet, const PlainCaller& caller,
                          const v1::UpgradeNodesRequest& request) {
  Prediction p(fleet);
  NodeWork work(p, caller, request.dry_run(), request.plan_token());
  if (request.has_selector() && !request.nodes().empty()) p.Refuse("NODES_AND_SELECTOR");
  if (!MayOperate(caller, p) || !p.accepted()) return p;
  auto response = std::make_unique<v1::UpgradeNodesResponse>();
  auto image = FindImage(caller, request.image(), p);
  std::vector<PlainNode*> nodes;
  if (request.has_selector()) {
    nodes = Select(p, caller, request.selector(), image.get(), *response);
  } else {
    nodes = work.Find(TextsOf(request.nodes()));
  }
  std::vector<std::shared_ptr<PlainConfig>> configs;
  for (PlainNode* node : nodes) {
    work.CheckChangeable(*node);
    if (image == nullptr) continue;
    if (node->config->image->id == image->id) p.Refuse("UPGRADE_SAME_IMAGE");
    if (!image->IsVisibleTo(node->org)) p.Refuse("IMAGE_NOT_FOUND");
    configs.push_back(Upgraded(*node->config, image, p));
  }
  if (!p.accepted()) {
    // Which of the two comes first is not said.
    if (fleet.policies.abort_on_drift) work.Open(nodes);
    return p;
  }
  work.Open(nodes);
  for (size_t i = 0; i < nodes.size(); ++i)
    work.Replace(*nodes[i], std::move(configs[i]), CommandKind::kUpgrade);
  work.hosts().CheckCapacity();
  *response->mutable_changes() = work.Finish();
  p.answer = std::move(response);
  return p;
}

Prediction PredictUpdate(const PlainFleet& fleet, const PlainCaller& caller,
                         const v1::UpdateNodeRequest& request) {
  Prediction p(fleet);
  NodeWork work(p, caller, request.dry_run(), request.plan_token());
  if (!MayOperate(caller, p)) return p;
  bool changes_values = !request.set_values().empty() || !request.reset_values().empty();
  if (!changes_values && !request.has_auto_upgrade()) p.Refuse("NOTHING_TO_UPDATE");
  std::vector<PlainNode*> nodes = work.Find({request.node()});
  if (nodes.empty()) return p;
  PlainNode& node = *nodes.front();
  work.CheckVersion(node, request.expected_version());
  work.CheckChangeable(node);
  bool same_config = false;
  if (!changes_values) {
    work.Open(nodes);
    if (!p.accepted()) return p;
    work.Show(node);
    work.Change(node);
    node.auto_upgrade = request.auto_upgrade();
  } else {
    auto config = Edited(node.config->image, node.config->values, MapOf(request.set_values()),
                         TextsOf(request.reset_values()), p);
    work.Open(nodes);
    if (!p.accepted()) return p;
    same_config = config->values == node.config->values;
    work.Replace(node, std::move(config), CommandKind::kUpdate);
    work.hosts().CheckCapacity();
    if (request.has_auto_upgrade()) node.auto_upgrade = request.auto_upgrade();
  }
  auto response = std::make_unique<v1::UpdateNodeResponse>();
  *response->mutable_changes() = work.Finish();
  response->set_same_config(same_config);
  p.answer = std::move(response);
  return p;
}

Prediction PredictRetry(const PlainFleet& fleet, const PlainCaller& caller,
                        const v1::RetryUpgradeRequest& request) {
  Prediction p(fleet);
  NodeWork work(p, caller, request.dry_run(), request.plan_token());
  if (!MayOperate(caller, p)) return p;
  std::vector<PlainNode*> nodes = work.Find({request.node()});
  if (nodes.empty()) return p;
  PlainNode& node = *nodes.front();
  work.CheckVersion(node, request.expected_version());
  work.CheckChangeable(node);
  if (node.state != NodeState::kFailed) p.Refuse("NODE_NOT_FAILED");
  if (!p.accepted()) return p;
  work.Open(nodes);
  if (!p.accepted()) return p;
  work.Replace(node, std::make_shared<PlainConfig>(*node.config), CommandKind::kUpgrade);
  work.hosts().CheckCapacity();
  Answer<v1::RetryUpgradeResponse>(p, work.Finish());
  return p;
}

Prediction PredictMove(const PlainFleet& fleet, const PlainCaller& caller,
                       const v1::MoveNodesRequest& request) {
  Prediction p(fleet);
  NodeWork work(p, caller, request.dry_run(), request.plan_token());
  if (!MayAdminister(caller, p)) return p;
  std::vector<PlainNode*> nodes = work.Find(TextsOf(request.nodes()));
  const std::string* org = fleet.FindOrg(request.org());
  if (org == nullptr) p.Refuse("ORG_NOT_FOUND");
  for (const PlainNode* node : nodes) {
    work.CheckChangeable(*node);
    for (const PlainCommand& command : node->commands) {
      if (command.IsOfConfigs() && command.IsPending()) p.Refuse("TRANSITION_OPEN");
    }
    if (org != nullptr && !node->config->image->IsVisibleTo(*org)) p.Refuse("IMAGE_NOT_FOUND");
  }
  work.Open(nodes);
  if (!p.accepted()) return p;
  for (PlainNode* node : nodes) {
    v1::NodeChange& line = work.Show(*node);
    work.Change(*node);
    line.set_from_org(node->org);
    line.set_org(*org);
    node->org = *org;
  }
  Answer<v1::MoveNodesResponse>(p, work.Finish());
  return p;
}

Prediction PredictDelete(const PlainFleet& fleet, const PlainCaller& caller,
                         const v1::DeleteNodesRequest& request) {
  Prediction p(fleet);
  NodeWork work(p, caller, request.dry_run(), request.plan_token());
  if (!MayOperate(caller, p)) return p;
  std::vector<PlainNode*> nodes = work.Find(TextsOf(request.nodes()));
  auto without_untaken = [](PlainNode node) {
    std::erase_if(node.commands,
                  [](const PlainCommand& c) { return c.state == CommandState::kOpen; });
    return node.HoldNow();
  };
  for (const PlainNode* node : nodes) work.CheckChangeable(*node);
  work.Open(nodes);
  if (!p.accepted()) return p;
  for (PlainNode* node : nodes) {
    if (!node->handed_out) {
      work.Release(*node);
      continue;
    }
    std::vector<std::string> cancelled;
    for (const PlainCommand& command : node->commands) {
      if (command.state == CommandState::kOpen) cancelled.push_back(command.id);
    }
    work.hosts().SetHold(*node, without_untaken(*node));
    std::erase_if(node->commands,
                  [](const PlainCommand& c) { return c.state == CommandState::kOpen; });
    work.Instruct(*node, CommandKind::kDelete, NextState::kDeleting);
    v1::NodeChange& line = work.last();
    line.clear_to_image();
    for (const std::string& id : cancelled) line.add_withdrawn_command_ids(id);
  }
  Answer<v1::DeleteNodesResponse>(p, work.Finish());
  return p;
}

Prediction PredictCommand(const PlainFleet& fleet, const PlainCaller& caller,
                          const std::vector<std::string>& names, CommandKind kind, bool dry_run,
                          const std::string& token) {
  Prediction p(fleet);
  NodeWork work(p, caller, dry_run, token);
  if (!MayOperate(caller, p)) return p;
  std::vector<PlainNode*> nodes = work.Find(names);
  for (const PlainNode* node : nodes) work.CheckChangeable(*node);
  work.Open(nodes);
  if (!p.accepted()) return p;
  NextState next = kind == CommandKind::kStop      ? NextState::kStopping
                   : kind == CommandKind::kRestart ? NextState::kRestarting
                                                   : NextState::kStarting;
  for (PlainNode* node : nodes) work.Instruct(*node, kind, next);
  if (kind == CommandKind::kStop) {
    Answer<v1::StopNodesResponse>(p, work.Finish());
  } else if (kind == CommandKind::kRestart) {
    Answer<v1::RestartNodesResponse>(p, work.Finish());
  } else {
    Answer<v1::StartNodesResponse>(p, work.Finish());
  }
  return p;
}

Prediction PredictFetch(const PlainFleet& fleet, const std::string& host) {
  Prediction p(fleet);
  NodeWork work(p, {}, false, "");
  std::vector<PlainNode*> nodes = p.after.LiveOn(host);
  std::erase_if(nodes, [](const PlainNode* node) {
    return node->handed_out || !std::ranges::any_of(node->commands, &PlainCommand::IsOpen);
  });
  if (nodes.empty()) return p;
  work.Open(nodes);
  if (!p.accepted()) return p;
  for (PlainNode* node : nodes) {
    work.Change(*node);
    node->handed_out = true;
  }
  work.Finish();
  return p;
}

Prediction PredictReport(const PlainFleet& fleet, const std::string& node_id) {
  Prediction p(fleet);
  NodeWork work(p, {}, false, "");
  std::vector<PlainNode*> nodes = work.Find({node_id});
  PlainNode& node = *nodes.at(0);
  work.Open(nodes);
  if (!p.accepted()) return p;
  work.hosts().Hear(node.host);
  p.hosts_touched.insert(node.host);
  auto first = std::ranges::find_if(node.commands, &PlainCommand::IsPending);
  const PlainCommand done = *first;
  if (done.kind == CommandKind::kDelete) {
    work.Release(node);
    work.Finish();
    return p;
  }
  // Taken: what the node waits for is on its way, unless it waits for it once more.
  const bool another_waits = std::any_of(first + 1, node.commands.end(), [&](const auto& other) {
    return other.kind == done.kind && other.IsOpen();
  });
  if (done.IsOpen() && !another_waits && node.next == NextOf(done.kind)) node.next.reset();
  // A failure from before something that was done no longer counts; it does if that was no change
  // of configs, and then the node is still shown as failed.
  std::erase_if(node.commands, [&](const PlainCommand& command) {
    return command.seq == done.seq || (done.IsOfConfigs() && command.seq < done.seq);
  });
  if (done.IsOfConfigs()) node.running = done.to;
  const bool failed = std::ranges::any_of(
      node.commands, [](const PlainCommand& command) { return !command.IsPending(); });
  if (!failed) {
    node.state = node.running == nullptr           ? NodeState::kFailed
                 : done.kind == CommandKind::kStop ? NodeState::kStopped
                                                   : NodeState::kRunning;
  }
  // Nothing is on its way any more, and another config runs than the node is charged for: a delete
  // has withdrawn what was asked for last.
  const bool waits = std::ranges::any_of(node.commands, [](const PlainCommand& command) {
    return command.IsPending() && command.to != nullptr;
  });
  if (!waits && !failed && node.running != nullptr && node.running != node.config) {
    work.hosts().Move(node, {1, node.config->needs}, {1, node.running->needs});
    node.config = node.running;
    node.fields = node.config->needs;
  }
  work.Change(node);
  work.hosts().SetHold(node, node.HoldNow());
  work.Finish();
  return p;
}

}  // namespace tallyman
