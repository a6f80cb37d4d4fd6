// The hosts' side of a decision: what happens to books, holds and ledger.
//
// Begin() settles drift, Move() charges and gives back, CheckCapacity() applies the capacity
// policy. Pure: nothing is written, and a plan that failed is thrown away. One plan is one
// request's; it belongs to one thread.
//
// Invariants: no counter here is ever negative; the balance of an entry is the host's books after
// it.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "model/ledger.h"
#include "model/snapshot.h"
#include "planner/policy.h"

namespace tallyman::planner {

// The cause of a change, stamped on every row.
struct Cause {
  std::string request_id;
  std::string actor_id;
  Time now;
};

// One host before and after.
struct HostChange {
  Host stored;  // as stored in the database
  Host before;  // with its drift settled: the plan's starting point
  Host after;
  std::vector<Drift> drifts;  // what was found wrong
};

// What one node adds to and takes from its host.
struct BooksMove {
  HostId host_id;
  NodeId node_id;
  LedgerKind kind = LedgerKind::kUpgrade;
  Books before;
  Books after;
  Resources held_before;
  Resources held_after;
};

// The reason of an error that means: run once more with the sums.
inline constexpr char kDriftSuspected[] = "DRIFT_SUSPECTED";
// The reason of CheckCapacity()'s refusal.
inline constexpr char kHostCapacityExceeded[] = "HOST_CAPACITY_EXCEEDED";

// Finds drift in a host's books and in the fields of those `nodes` that are on it; the fields are
// corrected from the configs first. Without the host's sums, only the nodes are checked.
std::vector<Drift> FindDrift(const HostSnapshot& host, std::span<const NodeSnapshot* const> nodes);

class BooksPlan {
 public:
  // Settles drift: the node fields from their configs first, then the counters from the nodes. This
  // needs the sums; without them, drift of a node in `nodes` is FAILED_PRECONDITION
  // DRIFT_SUSPECTED. Under the policy abort, FAILED_PRECONDITION HOST_BOOKS_DRIFTED. `nodes` are
  // those whose resources the request changes; `hosts` hold all of their hosts.
  static Result<BooksPlan> Begin(std::span<const HostSnapshot* const> hosts,
                                 std::span<const NodeSnapshot* const> nodes,
                                 const Policies& policies, const Cause& cause);

  // Subtracts the old charge, adds the new one and writes a ledger entry, even when nothing
  // changes. DRIFT_SUSPECTED when a counter would go below zero or overflow and the sums are not
  // known; OUT_OF_RANGE RESOURCE_OVERFLOW when they are.
  Status Move(const BooksMove& move);

  // Changes only what is held for a node: no counter moves, so there is no ledger entry. Errors as
  // for Move().
  Status SetHold(const HostId& host, const Resources& before, const Resources& after);

  // If the request makes a dimension grow beyond a host's capacity: a warning, or under the policy
  // enforce RESOURCE_EXHAUSTED HOST_CAPACITY_EXCEEDED, naming dimension, need and free; overflow as
  // in Move().
  Status CheckCapacity();

  // Drift found in the fields of the request's nodes and in hosts' books.
  std::vector<Drift> drifts() const;
  const std::map<HostId, HostChange>& hosts() const { return hosts_; }
  const std::vector<LedgerEntry>& ledger() const { return ledger_; }
  const std::vector<Warning>& warnings() const { return warnings_; }
  // What the node is charged after drift is settled: its config's resources.
  static Resources ChargedBy(const NodeSnapshot& node);

 private:
  BooksPlan(const Policies& policies, const Cause& cause) : policies_(policies), cause_(cause) {}
  Status Open(const HostSnapshot& host, std::span<const NodeSnapshot* const> nodes);
  Status Settle(HostChange& change, const HostSums& sums, const Books& ledger_balance);
  void Touch(HostChange& change);
  LedgerEntry& Append(HostChange& change, LedgerKind kind);
  Error Impossible(const Host& host, Error error) const;

  Policies policies_;
  Cause cause_;
  bool sums_known_ = true;
  std::map<HostId, HostChange> hosts_;
  std::vector<LedgerEntry> ledger_;
  std::vector<Warning> warnings_;
};

}  // namespace tallyman::planner
