// The interface of a database.
//
// A write has three phases: lock and read, decide (pure), write. The function given to
// Store::Write() does all three and may be run again from the start after a conflict, so it must
// have no side effects outside the transaction. Before the commit the store proves the books: on
// every host of a host, a node or a ledger entry in the change set, the four counters and the holds
// equal the sums over the host's live nodes; every node's fields equal its config's by the
// database's own constraint.
//
// Errors of Read() and Write(), beside those of the function itself:
//   FAILED_PRECONDITION BOOKS_MISMATCH   the proof failed; nothing is written (fact "hosts" counts)
//   INTERNAL HOST_UPDATE_FAILED          an update did not touch exactly the intended rows
//   ALREADY_EXISTS NODE_NAME_TAKEN ...   a unique key is taken
//   ABORTED TOKEN_CHANGED                a token was revoked or used in the meantime
//   ABORTED POLICY_CHANGED               an upgrade policy was set or deleted in the meantime
//   UNAVAILABLE DATABASE_BUSY            the database stayed locked for longer than the bound
//   UNAVAILABLE ROWS_LOCKED              rows of this transaction did; others may be free
//   UNAVAILABLE DATABASE_CONFLICT        conflicts with other transactions exceeded the retry bound
//   UNAVAILABLE DATABASE_UNREACHABLE / DATABASE_TIMEOUT / DATABASE_QUEUE_TIMEOUT
//   RESOURCE_EXHAUSTED DATABASE_QUEUE_FULL  too many requests wait for a connection
//   UNAVAILABLE COMMIT_UNKNOWN           the reply to the commit was lost: in doubt. Run it
//                                        again with the same request ids: their rows wait for
//                                        the first attempt or find its result
//   UNAVAILABLE DATABASE_FULL / DATABASE_IO / DATABASE_READ_ONLY
//   DATA_LOSS DATABASE_CORRUPT           stored data cannot be what was written
//
// A Store is thread-safe; a transaction belongs to the thread that runs the function.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "model/audit.h"
#include "model/change_set.h"
#include "model/machine.h"
#include "model/overview.h"
#include "model/placement.h"
#include "model/snapshot.h"
#include "store/list.h"

namespace tallyman::store {

// Hosts of a region that take new nodes and can take `need` once, best first, at most `limit`:
// those that were heard before those that never were, each in the order of the strategy.
struct PlacementQuery {
  RegionId region_id;
  Resources need;
  PlacementStrategy strategy = PlacementStrategy::kSpread;
  int64_t limit = 1;
};

// A config that may belong to a node.
struct NodeConfigKey {
  NodeId node_id;
  ConfigId config_id;

  friend auto operator<=>(const NodeConfigKey&, const NodeConfigKey&) = default;
};

struct NodePlace {
  HostId host_id;
  NodeId node_id;
};

// What one decision needs. Locks are taken hosts first (those named and those of the nodes), in id
// order, then nodes in id order; what is not there is absent from the snapshot.
struct LockSet {
  std::vector<NodeId> nodes;
  std::vector<HostId> hosts;
  std::vector<ImageId> images;              // read only: immutable
  std::vector<OrgId> orgs;                  // read only, but for their quotas
  std::vector<std::string> node_names;      // to find live nodes that have them
  std::vector<RequestKey> requests;         // to find stored answers
  std::optional<PlacementQuery> placement;  // its candidates are locked as hosts
  bool with_sums = false;                   // read HostSnapshot::sums and ledger_balance as well
  // For reports: the last reports of these hosts are locked first; this locks neither a host nor a
  // node.
  std::vector<HostId> report_hosts;
  std::vector<CommandId> commands;  // to find their nodes and hosts; read only
  bool with_history = false;        // read NodeSnapshot::ended_seq and configs as well
  std::vector<NodeConfigKey> node_configs;
  // Those of `orgs`, and of the orgs of `nodes`, that have a quota are locked, after all else and
  // in id order, and what their nodes take is summed. The others cost nothing.
  bool with_quotas = false;
  // The quotas of `orgs` are about to change: waits for every write that may rest on them, also
  // where it found none.
  bool changes_quotas = false;
  // Locked before hosts and nodes, so that a rollout has one step at a time; read with
  // ReadTx::ReadRollout().
  std::vector<RolloutId> rollouts;

  // Both. At most one of them asks for a placement.
  void Add(const LockSet& other);
};

struct Snapshot {
  std::unordered_map<NodeId, NodeSnapshot> nodes;
  std::unordered_map<HostId, HostSnapshot> hosts;
  std::unordered_map<ImageId, std::shared_ptr<const Image>> images;
  std::unordered_map<OrgId, Org> orgs;
  std::unordered_map<OrgId, LimitedOrg> limited;  // with LockSet::with_quotas
  std::map<std::string, NodeId, std::less<>> taken_names;
  std::map<RequestKey, RequestRecord> requests;
  std::vector<HostId> candidates;                       // result of the placement query, best first
  std::unordered_map<HostId, HostReport> host_reports;  // of hosts that have reported
  std::unordered_map<CommandId, CommandPlace> commands;
};

// Of its orgs and of its nodes, in id order.
std::vector<OrgId> OrgsWithQuota(const Snapshot& snapshot);

struct NodeAndConfig {
  NodeRow row;
  NodeConfig config;          // the config that the node should run
  std::string running_image;  // image of the running config; "": none
};

// The commands that can be handed out to a host: the oldest open one of each node, unless it has to
// wait.
struct HandOutQuery {
  HostId host_id;
  Time now;
  int64_t limit = 100;
};
struct HandOut {
  struct Entry {
    Command command;
    std::string node;
  };
  std::vector<Entry> commands;  // by node
  std::optional<Time> next_at;  // when the first waiting command can be handed out
  std::optional<HostReport> last_heard;
};

struct OverviewQuery {
  std::optional<OrgId> org_id;
  Time late_before;  // open commands made before this are counted as late
};

// Of what may be forgotten.
struct RecordCounts {
  int64_t events = 0;  // at least as many as there are
  int64_t tokens = 0;
};

struct RolloutQuery {
  RolloutId id;
  Time now;
  Time silent_before;        // a host that was not heard since is silent
  int64_t limit = 1000;      // of waiting nodes
  bool with_judged = false;  // read RolloutView::judged as well
};

// A node that waits in a rollout, or is released by one.
struct OpenRolloutNode {
  RolloutNode row;
  std::string rollout;
};

// The nodes that an upgrade policy may act on.
struct PolicyScope {
  OrgId org_id;
  ProtocolId protocol_id;
  std::string variant;
};

// Of a rollout that a policy made and that has ended: itself, or a node that is not to be tried
// again, because it has failed or could not be upgraded.
struct PastRolloutRow {
  ImageId image_id;
  RolloutState state = RolloutState::kDone;
  bool reverted = false;  // another one has taken it back
  std::optional<NodeId> failed;
};

struct CommandOfNode {
  CommandId id;
  NodeId node_id;
};

// A consistent view of the database. Lookups take an id or a name and return nullopt for a missing
// row.
class ReadTx {
 public:
  virtual ~ReadTx() = default;

  // Sets the deadline of all further reads together; a read beyond it returns DEADLINE_EXCEEDED.
  virtual void LimitTime(std::chrono::milliseconds left) = 0;

  // The rows a decision needs, without locks: the input of a plan.
  virtual Result<Snapshot> Load(const LockSet& wanted) = 0;

  virtual Result<std::optional<Org>> FindOrg(std::string_view id_or_name) = 0;
  virtual Result<std::optional<Region>> FindRegion(std::string_view id_or_name) = 0;
  virtual Result<std::optional<HostRow>> FindHost(std::string_view id_or_name) = 0;
  virtual Result<std::optional<Protocol>> FindProtocol(std::string_view id_or_key) = 0;
  virtual Result<std::optional<ProtocolVersion>> FindVersion(const ProtocolId& protocol,
                                                             std::string_view variant,
                                                             std::string_view semantic_version) = 0;
  // By id a live or deleted node; by name the one that is not deleted.
  virtual Result<std::optional<NodeRow>> FindNode(std::string_view id_or_name) = 0;
  virtual Result<std::optional<NodeAndConfig>> FindNodeAndConfig(std::string_view id_or_name) = 0;
  // One more than the largest N of all nodes ever named PREFIX-N, at least 1: names of deleted
  // nodes are not reused automatically.
  virtual Result<int64_t> NextNodeNumber(std::string_view prefix) = 0;
  virtual Result<std::optional<NodeConfig>> FindConfig(const ConfigId& id) = 0;
  virtual Result<std::shared_ptr<const Image>> FindImage(const ImageId& id) = 0;  // null: none
  // All builds of a version, by build.
  virtual Result<std::vector<std::shared_ptr<const Image>>> FindBuilds(
      std::string_view protocol, std::string_view variant, std::string_view semantic_version) = 0;
  virtual Result<std::optional<CommandRow>> FindCommand(const CommandId& id) = 0;
  virtual Result<HandOut> FindCommandsFor(const HandOutQuery& query) = 0;
  // Taken commands whose acknowledgement was accepted before `before`, the oldest first.
  virtual Result<std::vector<CommandOfNode>> FindOverdue(Time before, int64_t limit) = 0;
  // Open commands that may not begin any more, the longest first.
  virtual Result<std::vector<CommandOfNode>> FindLate(Time now, int64_t limit) = 0;
  virtual Result<std::optional<RolloutRow>> FindRollout(std::string_view id_or_name) = 0;
  // Those that have not ended, by id.
  virtual Result<std::vector<RolloutId>> OpenRollouts() = 0;
  // By node.
  virtual Result<std::vector<OpenRolloutNode>> OpenRolloutNodes() = 0;
  // nullopt: there is none.
  virtual Result<std::optional<RolloutView>> ReadRollout(const RolloutQuery& query) = 0;
  // Of its waves, each state that occurs.
  virtual Result<std::vector<RolloutCount>> CountRolloutNodes(const RolloutId& rollout) = 0;
  virtual Result<std::optional<PolicyRow>> FindPolicy(std::string_view id_or_name) = 0;
  virtual Result<std::optional<PolicyRow>> FindPolicyFor(const PolicyScope& scope) = 0;
  // Enabled ones without a rollout that has not ended, by id.
  virtual Result<std::vector<PolicyId>> DuePolicies() = 0;
  // Live nodes that are not being deleted, by name.
  virtual Result<std::vector<PolicyNode>> PolicyNodes(const PolicyScope& scope) = 0;
  virtual Result<std::vector<PastRolloutRow>> PastRolloutsOf(const PolicyId& policy) = 0;
  // All versions and builds.
  virtual Result<std::vector<std::shared_ptr<const Image>>> ImagesOf(const ProtocolId& protocol,
                                                                     std::string_view variant) = 0;
  // Hosts whose silent_since is not what their last reports say: those heard at all, but not since
  // `before`, that are not marked as silent, and marked ones that were heard since.
  virtual Result<std::vector<HostId>> FindHostsToMark(Time before, int64_t limit) = 0;
  // False: a fleet that only keeps books, without agents.
  virtual Result<bool> WasAnyHostHeard() = 0;
  // By owner and kind.
  virtual Result<std::vector<HostClaim>> ClaimsOf(const HostId& host) = 0;
  // What the drains of a host stopped, by owner and node.
  virtual Result<std::vector<DrainNode>> DrainNodesOf(const HostId& host) = 0;
  // By node; one that never got such a command is absent. Looks at every command of these nodes.
  virtual Result<std::vector<RunOrder>> RunOrdersOf(const HostId& host) = 0;
  // By the name of the node; several of one node where it waits for several.
  virtual Result<std::vector<DrainWait>> DrainWaitsOf(const HostId& host) = 0;
  // By id.
  virtual Result<std::vector<NodeId>> LiveNodesOf(const HostId& host) = 0;
  // A node's last report and incident counts; nullopt: it has neither.
  virtual Result<std::optional<ReportedNode>> FindReported(const NodePlace& node) = 0;
  // Nodes without a report are absent.
  virtual Result<std::unordered_map<NodeId, NodeCondition>> FindConditions(
      const std::vector<NodePlace>& nodes) = 0;
  // Reads every report there is.
  virtual Result<ReportedTotals> CountReported() = 0;
  // Reads every host, node and report once, and the commands that have not ended. With an org its
  // nodes, their commands, and the hosts that carry them.
  virtual Result<FleetOverview> ReadOverview(const OverviewQuery& query) = 0;
  // By id a token in any state, with one indexed read, which every call over a network makes. By
  // name the one that is neither revoked nor used.
  virtual Result<std::optional<TokenRow>> FindToken(std::string_view id_or_name) = 0;

  virtual Result<std::vector<OrgRow>> ListOrgs(const ListQuery& query) = 0;
  virtual Result<std::vector<RegionRow>> ListRegions(const ListQuery& query) = 0;
  virtual Result<std::vector<HostRow>> ListHosts(const ListQuery& query) = 0;
  virtual Result<std::vector<ProtocolRow>> ListProtocols(const ListQuery& query) = 0;
  virtual Result<std::vector<VersionRow>> ListVersions(const ListQuery& query) = 0;
  virtual Result<std::vector<ImageRow>> ListImages(const ListQuery& query) = 0;
  virtual Result<std::vector<NodeRow>> ListNodes(
      const ListQuery& query) = 0;  // live, and those being deleted
  virtual Result<std::vector<CommandRow>> ListCommands(const ListQuery& query) = 0;
  virtual Result<std::vector<EventRow>> ListEvents(const ListQuery& query) = 0;
  virtual Result<std::vector<TokenRow>> ListTokens(const ListQuery& query) = 0;
  virtual Result<std::vector<RequestRow>> ListRequests(const ListQuery& query) = 0;
  virtual Result<std::vector<RolloutRow>> ListRollouts(const ListQuery& query) = 0;
  virtual Result<std::vector<RolloutNodeRow>> ListRolloutNodes(const ListQuery& query) = 0;
  virtual Result<std::vector<PolicyRow>> ListPolicies(const ListQuery& query) = 0;

  // Entries of a host with seq > after_seq, oldest first.
  virtual Result<std::vector<LedgerEntry>> HostLedger(const HostId& host, int64_t after_seq,
                                                      int64_t limit) = 0;
  // Entries caused by a node (its host never changes), oldest first.
  virtual Result<std::vector<LedgerEntry>> NodeLedger(const NodeId& node, int64_t after_seq,
                                                      int64_t limit) = 0;

  // The sums over an org's live nodes.
  virtual Result<HostSums> OrgUsage(const OrgId& org) = 0;

  // The next hosts by id after `after` (nil: from the start), at most `limit`; bounded memory for
  // any fleet.
  virtual Result<std::vector<HostAudit>> AuditHosts(const HostId& after, int64_t limit) = 0;
  virtual Result<std::optional<HostAudit>> AuditHost(const HostId& host) = 0;
  // Only the nodes that are wrong, by id after `after`, at most `limit`.
  virtual Result<std::vector<NodeAudit>> AuditNodes(const NodeId& after, int64_t limit) = 0;
  // The same for the nodes of one host.
  virtual Result<std::vector<NodeAudit>> AuditNodesOf(const HostId& host) = 0;
  virtual Result<AuditCounts> CountForAudit() = 0;
  // Rows of the audit trail.
  virtual Result<int64_t> CountRequests() = 0;
  virtual Result<RecordCounts> CountRecords() = 0;
  // Commands that ended and still have their payloads.
  virtual Result<int64_t> CountEndedCommands() = 0;
  // The next hosts by id after `after` of which a complete status is known, at most `limit`.
  virtual Result<std::vector<MachineAudit>> AuditMachines(const HostId& after, int64_t limit) = 0;
  virtual Result<std::optional<MachineAudit>> AuditMachine(const HostId& host) = 0;
};

// The part of the audit trail to forget, the oldest first.
struct PruneQuery {
  Time answers_after;  // answers of requests made in [answers_after, answers_before) are emptied
  Time answers_before;
  Time rows_before;     // rows of requests made before this are deleted
  int64_t limit = 500;  // bound on the rows examined, for each kind
};
struct Pruned {
  int64_t answers = 0;
  int64_t rows = 0;
  // Where to continue with answers: all before are empty. answers_before when none is left.
  Time answers_until;
  bool done = false;  // nothing is left to forget
};

// Old records to forget, of each kind the oldest first.
struct ForgetQuery {
  std::optional<Time> events_before;  // empty: none
  // Tokens that ended before: expired, revoked, or used. Those of admins stay, so that a database
  // never is as if it had no tokens yet.
  std::optional<Time> tokens_before;
  // Of commands that ended in [commands_after, commands_before) the payloads are emptied, and the
  // configs that they led to; their rows stay. What a node, a transition or a host's report may
  // still need is left out (forget_sql.h).
  std::optional<Time> commands_before;
  Time commands_after;
  int64_t limit = 500;  // bound on the rows, for each kind
};
struct Forgotten {
  int64_t events = 0;
  int64_t tokens = 0;
  int64_t commands = 0;
  Time commands_until;  // when the last of them ended
  bool done = false;    // nothing is left to forget
};

class WriteTx : public ReadTx {
 public:
  // Phase one. Called once, before any other read of this transaction on which the decision
  // depends.
  virtual Result<Snapshot> Lock(const LockSet& wanted) = 0;
  // Phase three. May be buffered: Store::Write() returns the errors. A read after it is a
  // programmer error.
  virtual void Apply(ChangeSet changes) = 0;
  // Used instead of Lock() and Apply(), in a separate transaction. Two servers may prune at once.
  virtual Result<Pruned> PruneRequests(const PruneQuery& query) = 0;
  virtual Result<Forgotten> Forget(const ForgetQuery& query) = 0;
};

class Store {
 public:
  virtual ~Store() = default;
  virtual Status Read(const std::function<Status(ReadTx&)>& body) = 0;
  virtual Status Write(const std::function<Status(WriteTx&)>& body) = 0;
  // Several reads and writes as one transaction. The store that `body` gets runs its Read() and
  // Write() in there, each on what those before it wrote; a write that fails leaves nothing, and
  // the others stay. Everything is committed when `body` gives true, and nothing when it gives
  // false or an error. `body` may be run again from the start, and runs on the caller's thread.
  // Errors as of Write().
  virtual Status Together(const std::function<Result<bool>(Store& within)>& body) = 0;
  // The database's own clock; nullopt where it is this machine's, so that there is none to compare
  // with.
  virtual Result<std::optional<Time>> Now() = 0;
};

struct SchemaState {
  int64_t version = 0;         // the database's; 0: empty
  int64_t newest_version = 0;  // the newest that this program knows
};

// The database as a whole, for its administrators.
class StoreAdmin {
 public:
  virtual ~StoreAdmin() = default;
  virtual Result<SchemaState> Schema() = 0;
  // Brings the schema up to the newest version. FAILED_PRECONDITION SCHEMA_TOO_NEW for a newer one.
  virtual Result<SchemaState> Migrate() = 0;
  // Makes a consistent copy while others write. `progress` receives pages done and pages in total.
  virtual Status Backup(const std::string& to,
                        const std::function<void(int64_t, int64_t)>& progress) = 0;
  // Checks the database's integrity: pages, indexes, foreign keys. Returns one line per fault;
  // empty: none.
  virtual Result<std::vector<std::string>> CheckIntegrity() = 0;
};

}  // namespace tallyman::store
