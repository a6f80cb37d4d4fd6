#include "api/event_text.h"

#include <fmt/core.h>

#include <boost/json.hpp>

#include "api/convert.h"

namespace tallyman::api {
namespace {

std::string FactOf(const std::map<std::string, std::string>& facts, const std::string& key) {
  auto found = facts.find(key);
  return found == facts.end() ? std::string() : found->second;
}

std::string NodeOf(const store::EventRow& row) {
  return row.host.empty() ? fmt::format("node {}", row.node)
                          : fmt::format("node {} on host {}", row.node, row.host);
}

// Whose claim on a host it is, and why there is one.
std::string WithClaim(std::string sentence, const std::map<std::string, std::string>& facts) {
  sentence += ", for " + FactOf(facts, "owner");
  if (const std::string reason = FactOf(facts, "reason"); !reason.empty())
    sentence += ": " + reason;
  return sentence;
}

// ": WHY", where there is one.
std::string WithWhy(const std::map<std::string, std::string>& facts) {
  const std::string why = FactOf(facts, "why");
  return why.empty() ? "" : ": " + why;
}

// What happened, without details.
std::string BareSentence(const store::EventRow& row,
                         const std::map<std::string, std::string>& facts) {
  switch (row.event.kind) {
    case EventKind::kNodeCreated:
      return NodeOf(row) + " was created";
    case EventKind::kUpgradeStarted:
      return fmt::format("upgrade of {} was started", NodeOf(row));
    case EventKind::kUpgradeSucceeded:
      return fmt::format("upgrade of {} succeeded", NodeOf(row));
    case EventKind::kUpgradeFailed:
      return fmt::format("upgrade of {} failed", NodeOf(row));
    case EventKind::kNodeUpdated:
      return NodeOf(row) + " was changed";
    case EventKind::kNodeMoved:
      return NodeOf(row) + " was moved to another org";
    case EventKind::kNodeStarting:
      return NodeOf(row) + " was asked to start";
    case EventKind::kNodeStopping:
      return NodeOf(row) + " was asked to stop";
    case EventKind::kNodeRestarting:
      return NodeOf(row) + " was asked to restart";
    case EventKind::kNodeDeleting:
      return NodeOf(row) + " was asked to be deleted";
    case EventKind::kNodeDeleted:
      return NodeOf(row) + " was deleted";
    case EventKind::kNodeRunning:
      return NodeOf(row) + " runs";
    case EventKind::kHostCreated:
      return fmt::format("host {} was registered", row.host);
    case EventKind::kHostUpdated:
      return fmt::format("host {} was changed", row.host);
    case EventKind::kBooksCorrected:
      return fmt::format("the books of host {} were corrected", row.host);
    case EventKind::kOrgCreated:
      return fmt::format("org {} was created", row.org);
    case EventKind::kOrgQuotaSet:
      return fmt::format("the quota of org {} was set", row.org);
    case EventKind::kRegionCreated:
      return fmt::format("region {} was created", FactOf(facts, "region"));
    case EventKind::kProtocolCreated:
      return fmt::format("protocol {} was created", FactOf(facts, "protocol"));
    case EventKind::kTokenCreated:
      return fmt::format("token {} was made for role {}", FactOf(facts, "token"),
                         FactOf(facts, "role"));
    case EventKind::kTokenRevoked:
      return fmt::format("token {} was revoked", FactOf(facts, "token"));
    case EventKind::kNodeCrashed:
      return NodeOf(row) + " ended unexpectedly";
    case EventKind::kNodeOutOfMemory:
      return NodeOf(row) + " was killed because it exceeded its memory limit";
    case EventKind::kNodeNotRestarted:
      return NodeOf(row) + " could not be started again";
    case EventKind::kNodeUnhealthy:
      return NodeOf(row) + " is unhealthy";
    case EventKind::kNodeHealthy:
      return NodeOf(row) + " is healthy again";
    case EventKind::kNodeDiskError:
      return fmt::format("the disk of {} has errors", NodeOf(row));
    case EventKind::kHostProblem:
      return fmt::format("host {} has a problem", row.host);
    case EventKind::kCommandFailed:
      return fmt::format("{} of {} failed", FactOf(facts, "command"), NodeOf(row));
    case EventKind::kCommandCancelled:
      return fmt::format("{} of {} was cancelled", FactOf(facts, "command"), NodeOf(row));
    case EventKind::kRolloutCreated:
      return fmt::format("rollout {} was made: {}", FactOf(facts, "rollout"), FactOf(facts, "why"));
    case EventKind::kRolloutWavePassed:
      return fmt::format("rollout {}: {} has passed", FactOf(facts, "rollout"),
                         FactOf(facts, "why"));
    case EventKind::kRolloutPaused:
      return fmt::format("rollout {} is paused: {}", FactOf(facts, "rollout"),
                         FactOf(facts, "why"));
    case EventKind::kRolloutResumed:
      return fmt::format("rollout {} goes on{}", FactOf(facts, "rollout"), WithWhy(facts));
    case EventKind::kRolloutAborted:
      return fmt::format("rollout {} is being aborted{}", FactOf(facts, "rollout"), WithWhy(facts));
    case EventKind::kRolloutEnded:
      return fmt::format("rollout {} has ended: {}", FactOf(facts, "rollout"),
                         FactOf(facts, "why"));
    case EventKind::kRolloutNodeFailed:
      return fmt::format("{} has failed in rollout {}: {}", NodeOf(row), FactOf(facts, "rollout"),
                         FactOf(facts, "why"));
    case EventKind::kRolloutNodeSkipped:
      return fmt::format("rollout {} leaves {} out: {}", FactOf(facts, "rollout"), NodeOf(row),
                         FactOf(facts, "why"));
    case EventKind::kPolicySet:
      return fmt::format("upgrade policy {} was set: {}", FactOf(facts, "policy"),
                         FactOf(facts, "why"));
    case EventKind::kPolicyDeleted:
      return fmt::format("upgrade policy {} was deleted", FactOf(facts, "policy"));
    case EventKind::kPolicyProposed:
      return fmt::format("upgrade policy {} made rollout {}: {}", FactOf(facts, "policy"),
                         FactOf(facts, "rollout"), FactOf(facts, "why"));
    case EventKind::kHostSilent:
      return fmt::format("host {} is silent: nothing came since {}", row.host,
                         FactOf(facts, "heard_at"));
    case EventKind::kHostHeard:
      return fmt::format("host {} is heard again", row.host);
    case EventKind::kHostCordoned:
      return WithClaim(fmt::format("host {} was cordoned", row.host), facts);
    case EventKind::kHostUncordoned:
      return WithClaim(fmt::format("a claim on host {} was taken away", row.host), facts);
    case EventKind::kHostDrainStarted:
      return WithClaim(fmt::format("host {} was drained: {} node(s) were asked to stop", row.host,
                                   FactOf(facts, "nodes")),
                       facts);
    case EventKind::kHostResumed:
      return WithClaim(fmt::format("a drain of host {} was ended: {} node(s) start again", row.host,
                                   FactOf(facts, "nodes")),
                       facts);
    case EventKind::kHostRetired:
      return fmt::format("host {} was retired, as {}", FactOf(facts, "name"), row.host);
    case EventKind::kImageCreated:
      break;
  }
  return fmt::format("image {} was published", FactOf(facts, "image"));
}

bool IsIncident(EventKind kind) {
  return kind >= EventKind::kNodeCrashed && kind <= EventKind::kHostProblem;
}

// Appends the host's reason.
std::string WithReason(std::string sentence, const std::map<std::string, std::string>& facts) {
  for (const char* key : {"result", "message"}) {
    if (const std::string fact = FactOf(facts, key); !fact.empty()) sentence += ": " + fact;
  }
  return sentence;
}

// Appends how the container ended, how often, and the host's message.
std::string IncidentSentence(std::string sentence,
                             const std::map<std::string, std::string>& facts) {
  const std::string signal = FactOf(facts, "signal"), code = FactOf(facts, "exit_code");
  if (!signal.empty()) {
    sentence += " by signal " + signal;
  } else if (!code.empty()) {
    sentence += " with exit code " + code;
  }
  if (const std::string count = FactOf(facts, "count"); !count.empty() && count != "1")
    sentence += fmt::format(", {} times", count);
  if (const std::string message = FactOf(facts, "message"); !message.empty())
    sentence += ": " + message;
  return sentence;
}

}  // namespace

std::map<std::string, std::string> FactsOf(const std::string& detail) {
  std::map<std::string, std::string> facts;
  boost::json::error_code error;
  boost::json::value value = boost::json::parse(detail, error);
  if (error || !value.is_object()) return facts;
  for (const auto& [key, part] : value.get_object()) {
    facts.emplace(key,
                  part.is_string() ? std::string(part.get_string()) : boost::json::serialize(part));
  }
  return facts;
}

std::string SentenceOf(const store::EventRow& row,
                       const std::map<std::string, std::string>& facts) {
  std::string sentence = BareSentence(row, facts);
  if (IsIncident(row.event.kind)) return IncidentSentence(std::move(sentence), facts);
  if (row.event.kind == EventKind::kCommandFailed || row.event.kind == EventKind::kUpgradeFailed)
    return WithReason(std::move(sentence), facts);
  std::string old_image = FactOf(facts, "old_image"), new_image = FactOf(facts, "new_image");
  if (!new_image.empty() && old_image != new_image)
    return fmt::format("{}: {} -> {}", sentence, old_image, new_image);
  if (row.event.kind == EventKind::kNodeCreated)
    return fmt::format("{} with {}", sentence, FactOf(facts, "image"));
  return sentence;
}

v1::Event MessageOf(const store::EventRow& row) {
  const Event& event = row.event;
  v1::Event out;
  out.set_id(std::to_string(event.cursor));
  out.set_kind(std::string(ToText(event.kind)));
  *out.mutable_time() = ToMessage(event.created_at);
  out.mutable_cause()->set_request_id(event.request_id);
  out.mutable_cause()->set_actor(event.actor_id);
  out.set_org(row.org);
  out.set_org_id(TextOf(event.org_id));
  out.set_host(row.host);
  out.set_host_id(TextOf(event.host_id));
  out.set_node(row.node);
  out.set_node_id(TextOf(event.node_id));
  auto facts = FactsOf(event.detail);
  out.set_message(SentenceOf(row, facts));
  for (auto& [key, value] : facts) (*out.mutable_facts())[key] = std::move(value);
  return out;
}

}  // namespace tallyman::api
