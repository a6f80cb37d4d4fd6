// The fleet as plain values: what the contract says that is stored, in maps and loops, with no
// database, no planner and no operations of the program under test behind it.
//
// A PlainFleet is copied before a request is worked out on it, so that a refused request leaves
// nothing behind. Ids are text. Not thread-safe.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/command.h"
#include "model/host.h"
#include "model/node.h"
#include "tallyman/v1/common.pb.h"

namespace tallyman {

struct PlainProperty {
  std::string default_value;
  Resources add;
};

struct PlainImage {
  std::string id;
  std::string protocol, variant, version;
  int64_t build = 1;
  std::string org;           // "" public
  std::string protocol_org;  // likewise
  Resources minimum;
  std::map<std::string, PlainProperty> properties;
  int64_t committed_at = 0;  // seconds

  std::string Reference() const;
  bool IsVisibleTo(const std::string& viewer_org) const;
};

struct PlainConfig {
  std::string id;
  std::shared_ptr<const PlainImage> image;
  std::map<std::string, std::string> values;
  Resources needs;
};

// One that has not ended, or that failed and still counts.
struct PlainCommand {
  std::string id;
  CommandKind kind = CommandKind::kCreate;
  CommandState state = CommandState::kOpen;
  int64_t seq = 0;
  std::shared_ptr<PlainConfig> from, to;

  bool IsOfConfigs() const { return kind <= CommandKind::kDelete; }
  bool IsPending() const { return state != CommandState::kFailed; }
  bool IsOpen() const { return state == CommandState::kOpen; }
};

struct PlainNode {
  std::string id, name, org, host;
  std::shared_ptr<PlainConfig> config, running;
  Resources fields;  // the node row's, which drift
  Resources held;
  NodeState state = NodeState::kStarting;
  std::optional<NextState> next;
  bool handed_out = false;
  bool auto_upgrade = false;
  int64_t version = 1;
  bool gone = false;
  std::vector<PlainCommand> commands;  // by seq

  bool IsBeingDeleted() const { return next == NextState::kDeleting; }
  // Contract, "Hold".
  Resources HoldNow() const;
};

// Since when those hosts that are silent are.
inline constexpr int64_t kHeardAtSeconds = 1'700'000'000;

struct PlainHost {
  std::string id, name, region;
  Resources capacity;
  std::optional<CapacityPolicy> policy;
  Books books;
  Resources held;
  Books ledger_total, ledger_balance;
  int64_t ledger_seq = 0;
  // Entries since the last correction whose balance does not follow from the one before.
  int64_t ledger_breaks = 0;
  int64_t version = 1;
  bool heard = false;  // its host has reported
  bool silent = false;
  std::map<std::string, std::string> claims;  // owner to who made it

  Resources Free() const;
  // After the books have changed by this much; a correction vouches for all that stands before it.
  void Enter(const Books& delta, bool is_correction);
};

struct PlainPolicies {
  bool abort_on_drift = false;
  bool enforce_capacity = false;
};

struct PlainFleet {
  PlainPolicies policies;
  std::map<std::string, std::string> orgs, regions;  // name to id
  std::map<std::string, std::string> protocols;      // key to org, "" public
  std::map<std::string, PlainHost> hosts;            // by name
  std::vector<std::shared_ptr<const PlainImage>> images;
  std::map<std::string, PlainNode> nodes;       // by id; a few that are gone among them
  std::map<std::string, int64_t> last_numbers;  // of names PREFIX-N, by prefix

  // By name or id; nullptr: none.
  PlainHost* FindHost(const std::string& name_or_id);
  // A node that is gone is found by its id only.
  PlainNode* FindNode(const std::string& name_or_id);
  const std::string* FindOrg(const std::string& name_or_id) const;  // its name
  const std::string* FindRegion(const std::string& name_or_id) const;
  std::vector<PlainNode*> LiveOn(const std::string& host);
  void NoteName(const std::string& node_name);
  // Bounded memory: all but the newest few that are gone.
  void ForgetGone();

  // What the fields of the live nodes add up to, as they are stored.
  Books SumOf(const std::string& host);
  Resources HeldOf(const std::string& host);
  // Everything that an audit would find, or only what is wrong with one host and its nodes.
  std::vector<v1::Drift> Drifts();
  std::vector<v1::Drift> DriftsOf(PlainHost& host);
  bool HasDriftIn(const std::string& region);
};

Resources Plus(const Resources& a, const Resources& b);
Resources Minus(const Resources& a, const Resources& b);
Books Plus(const Books& a, const Books& b);
Books Minus(const Books& a, const Books& b);
Resources Largest(const Resources& a, const Resources& b);

v1::Resources MessageOf(const Resources& r);
v1::Books MessageOf(const Books& b);
Resources ValueOf(const v1::Resources& r);

// Appends one drift per dimension that differs.
void Differ(std::vector<v1::Drift>& drifts, v1::DriftKind kind, const PlainHost& host,
            const PlainNode* node, const Resources& stored, const Resources& truth);
void Differ(std::vector<v1::Drift>& drifts, v1::DriftKind kind, const PlainHost& host,
            const Books& stored, const Books& truth);
// The sum of all entries, else the newest balance; and the breaks.
void DifferInLedger(std::vector<v1::Drift>& drifts, const PlainHost& host, const Books& truth);

}  // namespace tallyman
