// Operations of hosts: becoming one, taking commands, reporting. And what is done about hosts that
// say nothing.
//
// Each wants an actor of role host and means that host; none can name another one.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/operation.h"
#include "model/report.h"

namespace tallyman::control {

struct JoinHostRequest {
  std::string join_token;
  std::string nonce;
  std::string known_as = {};  // the host that the agent's data directory belongs to, by its id
  std::string hostname;
  Resources capacity;  // as measured
};
struct JoinedHost {
  HostId host_id;
  std::string host;
  std::string token;  // shown once

  void HideSecret() { token.clear(); }
};
// Exchanges a join token for the token of the host it admits. One that admits "a new one" makes the
// host: named as the machine is, in the only region there is, with the capacity as measured.
// FAILED_PRECONDITION REGION_UNKNOWN when there is not exactly one; ALREADY_EXISTS HOST_NAME_TAKEN;
// and those of ExchangeJoinToken().
Result<Proposal<JoinedHost>> JoinHost(const Authorized& by, const JoinHostRequest& request);

struct HandedCommands {
  struct Entry {
    Command command;
    std::string node;
  };
  std::vector<Entry> commands;  // by node
  bool more = false;
  std::optional<std::chrono::microseconds> retry_after;
  int64_t next_sequence = 1;
};
// Of each node the oldest open command. That something of a node was ever handed out is written
// down before it is.
Result<Proposal<HandedCommands>> FetchCommands(const Authorized& by, int64_t max_commands);

struct ReportRequest {
  struct Ack {
    CommandId id;
    int64_t attempt = 0;
  };
  struct Outcome {
    CommandId id;
    int64_t attempt = 0;
    HostOutcome outcome;
  };
  struct Status {
    std::vector<NodeReport> nodes;
    bool complete = false;
    Resources capacity;
    std::string agent_version;
    std::optional<Resources> reserved;
    bool thin_disks = false;
    std::string problem;
  };
  int64_t sequence = 0;
  std::vector<Ack> acks;
  std::vector<Outcome> outcomes;
  std::optional<Status> status;
  std::vector<Incident> incidents = {};  // in the order of their numbers
};
struct ReportAnswer {
  struct Verdict {
    CommandId id;
    int64_t attempt = 0;
    std::optional<CommandState> state;  // empty: none of this host's
    std::string_view reason;            // empty: accepted, processed
  };
  bool ignored = false;
  int64_t next_sequence = 1;
  std::vector<Verdict> acks;
  std::vector<Verdict> outcomes;
  std::vector<planner::Warning> warnings;
  int64_t incidents_processed = 0;  // up to this number
};
// Acknowledgements, outcomes and status are worked off in this order; a number that is not beyond
// the last one is ignored. Nodes that a status tells nothing new of are not locked. Each incident
// beyond the last that was processed becomes an event, once.
Result<Proposal<ReportAnswer>> ReportOfHost(const Authorized& by, ReportRequest request);

// Commands that were taken longer than `deadline` ago and not ended become unknown. Background
// work, safe when two servers do it at once. True: there may be more.
Result<bool> ExpireCommands(Control& control, std::chrono::microseconds deadline,
                            int64_t limit = 500);

// Hosts that were heard once and not for longer than Policies::host_silent are marked as silent,
// with an event. A mark that a report should have taken away, and did not, goes as well. Background
// work, safe when two servers do it at once. True: there may be more.
Result<bool> MarkSilentHosts(Control& control, int64_t limit = 500);

// The host that the actor speaks for. PERMISSION_DENIED NOT_A_HOST.
Result<HostId> HostOf(const Actor& actor);

}  // namespace tallyman::control
