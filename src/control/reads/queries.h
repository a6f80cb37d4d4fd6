// The operations that only read, for Read(): one consistent view of the database per answer, in
// names that people know. Rows of orgs that the actor does not see are absent, or NOT_FOUND where
// one was asked for.
//
// Errors that all share: those of Read(), those of list_query.h and resolve.h, and
// those of the store.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/operation.h"
#include "control/reads/list_query.h"

namespace tallyman::control {

template <class Row>
struct Page {
  std::vector<Row> rows;
  std::string next_page_token;  // empty: there is no further page
};

struct OrgView {
  Org org;
  Books usage;                 // of its live nodes, summed up for this answer; of GetOrg only
  std::optional<Books> taken;  // charges and holds; in lists only where there is a quota
};
Result<OrgView> GetOrg(const Authorized& by, store::ReadTx& tx, const std::string& org);
Result<Page<OrgView>> ListOrgs(const Authorized& by, store::ReadTx& tx, const ListRequest& request);
Result<Page<store::RegionRow>> ListRegions(const Authorized& by, store::ReadTx& tx,
                                           const ListRequest& request);

// How far a host is that is drained. It is drained once it waits for nothing and its last complete
// status came after the newest drain: nobody stores it.
struct HostDrain {
  bool drained = false;
  bool status_since = false;  // there was a complete status since
  // What the actor sees of what it waits for, and how much that is in all.
  std::vector<DrainWait> waits;
  int64_t wait_count = 0;
  int64_t stopped_count = 0;  // nodes that the drains stopped
};

struct HostView {
  store::HostRow row;
  std::optional<Resources> free;           // empty: beyond 64 bits, as only broken books are
  std::vector<planner::Warning> warnings;  // OVER_CAPACITY, one per dimension
  std::optional<HostReport> reported;
  std::vector<HostClaim> claims;   // of GetHost only
  std::optional<HostDrain> drain;  // likewise; empty: nobody drains it
};
Result<HostView> GetHost(const Authorized& by, store::ReadTx& tx, const std::string& host);
Result<Page<HostView>> ListHosts(const Authorized& by, store::ReadTx& tx,
                                 const ListRequest& request);

struct ProtocolView {
  Protocol protocol;
  std::string org;  // "" when public
};
struct VersionView {
  store::VersionRow row;
  int64_t build_count = 0;  // that the actor sees
};
struct ImageView {
  std::shared_ptr<const Image> image;
  std::string org;  // "" when public
};
Result<Page<ProtocolView>> ListProtocols(const Authorized& by, store::ReadTx& tx,
                                         const ListRequest& request);
Result<Page<VersionView>> ListVersions(const Authorized& by, store::ReadTx& tx,
                                       const ListRequest& request);
// By reference or id.
Result<ImageView> GetImage(const Authorized& by, store::ReadTx& tx, const std::string& image);
Result<Page<ImageView>> ListImages(const Authorized& by, store::ReadTx& tx,
                                   const ListRequest& request);

struct NodeView {
  store::NodeRow row;
  std::string running_image;         // "" when nothing runs
  std::optional<NodeConfig> config;  // of GetNode only
  // The enabled upgrade policy for its org, protocol and variant; "": none. Of GetNode only.
  std::string upgrade_policy;
  // What its host said of it: all of it in GetNode, in short in ListNodes.
  std::optional<ReportedNode> reported;
  std::optional<NodeCondition> condition;
};
Result<NodeView> GetNode(const Authorized& by, store::ReadTx& tx, const std::string& node);
// Where what the node prints is, for whoever may read it.
struct NodeLogs {
  store::NodeRow node;
  std::optional<Time> heard_at;  // when its host was heard from
};
Result<NodeLogs> FindNodeLogs(const Authorized& by, store::ReadTx& tx, const std::string& node);
Result<Page<NodeView>> ListNodes(const Authorized& by, store::ReadTx& tx,
                                 const ListRequest& request);

struct CommandView {
  store::CommandRow row;
  std::string from_image;
  std::string to_image;
  // The request that made it and who sent it; of GetCommand only.
  std::string request_id;
  std::string actor_id;
};
Result<CommandView> GetCommand(const Authorized& by, store::ReadTx& tx,
                               const std::string& command_id);
struct ListCommandsRequest {
  ListRequest list;
  bool with_payloads = false;  // the page ends where they would be too many bytes
};
Result<Page<CommandView>> ListCommands(const Authorized& by, store::ReadTx& tx,
                                       const ListCommandsRequest& request);

Result<Page<store::TokenRow>> ListTokens(const Authorized& by, store::ReadTx& tx,
                                         const ListRequest& request);

// The caller itself.
struct WhoAmIRequest {};
struct CallerView {
  std::string actor;
  Role role = Role::kViewer;
  std::optional<store::TokenRow> token;  // empty: in process
};
Result<CallerView> WhoAmI(const Authorized& by, store::ReadTx& tx, const WhoAmIRequest& request);

// The audit trail: who asked for which change, when and from where. Without the answers.
Result<Page<store::RequestRow>> ListRequests(const Authorized& by, store::ReadTx& tx,
                                             const ListRequest& request);

// `after` is a cursor of an earlier answer: only what came after it; "" from the start.
struct ListEventsRequest {
  ListRequest list;
  std::string after;
};
struct EventPage {
  Page<store::EventRow> page;
  std::string cursor;  // where the page ends; "" when the newest came first
};
Result<EventPage> ListEvents(const Authorized& by, store::ReadTx& tx,
                             const ListEventsRequest& request);

// Exactly one of host and node is given. The filter takes the field kind, the order seq only.
struct ListLedgerRequest {
  std::string host;
  std::string node;
  ListRequest list;
};
struct LedgerView {
  LedgerEntry entry;
  std::string host;
  std::string node;  // "" when it is about none, or about one that the actor does not see
  std::optional<Books> node_balance;  // of a node's ledger: the sum of its deltas so far
};
struct LedgerPage {
  Page<LedgerView> page;
  Books books;              // what is charged now
  Books total;              // the sum of all deltas, whatever the filter
  int64_t entry_count = 0;  // how many entries that are
};
Result<LedgerPage> ListLedger(const Authorized& by, store::ReadTx& tx,
                              const ListLedgerRequest& request);

}  // namespace tallyman::control
