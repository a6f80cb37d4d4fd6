// Lists: filters, order and keyset pagination, the same for every backend.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "model/catalog.h"
#include "model/command.h"
#include "model/event.h"
#include "model/host.h"
#include "model/ledger.h"
#include "model/node.h"
#include "model/request.h"
#include "model/rollout.h"
#include "model/token.h"
#include "model/upgrade_policy.h"

namespace tallyman::store {

using FieldValue = std::variant<int64_t, std::string>;

enum class FieldType { kInteger, kText };
enum class Comparison { kEqual, kNotEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual };

// The fields by which a list may be filtered and ordered. A field whose name ends in _id takes an
// id in text form; the others take unique names. `org` is empty for rows that belong to no org.
struct ListField {
  std::string_view name;
  FieldType type;
};

enum class Listing {
  kOrgs,
  kRegions,
  kHosts,
  kProtocols,
  kVersions,
  kImages,
  kNodes,
  kCommands,
  kEvents,
  kTokens,
  kRequests,
  kRollouts,
  kRolloutNodes,
  kPolicies
};

// The fields of a listing; the first is the default order.
std::span<const ListField> FieldsOf(Listing listing);

struct Condition {
  std::string field;
  Comparison comparison = Comparison::kEqual;
  FieldValue value;
};

// The end of the previous page: the value of the ordering field and the row's key.
struct ListCursor {
  FieldValue value;
  std::string key;
};

// REQUIRES: fields are of FieldsOf(listing), values of the field's type, limit > 0.
struct ListQuery {
  std::vector<Condition> conditions;  // all must hold
  std::string order_by;
  bool descending = false;
  std::optional<ListCursor> after;
  int64_t limit = 100;
  bool with_deleted = false;  // include deleted nodes, or retired hosts
};

// Rows with the names that people read. `cursor` is where the next page starts.
struct NodeRow {
  Node node;
  std::string org;
  std::string host;
  std::string region;
  std::optional<RegionId> region_id;      // of the host
  std::optional<Time> host_silent_since;  // empty: the host is not silent
  std::string image;
  ListCursor cursor;
};

struct HostRow {
  Host host;
  std::string region;
  ListCursor cursor;
};

struct ImageRow {
  std::shared_ptr<const Image> image;
  ListCursor cursor;
};

struct CommandRow {
  Command command;
  std::string node;
  std::string host;
  ListCursor cursor;
};

struct EventRow {
  Event event;
  std::string org;
  std::string host;
  std::string node;
  ListCursor cursor;
};

struct TokenRow {
  Token token;
  std::string org;   // "" all orgs
  std::string host;  // "" none
  ListCursor cursor;
};

// A line of the audit trail: the record without its stored answer.
struct RequestRow {
  RequestRecord record;
  std::string org;  // "" an actor of all orgs
  ListCursor cursor;
};

struct RolloutRow {
  Rollout rollout;
  std::string org;  // "" of several orgs
  std::string image;
  ListCursor cursor;
};

struct RolloutNodeRow {
  RolloutNodeFacts facts;
  std::string org;
  ListCursor cursor;
};

struct PolicyRow {
  UpgradePolicy policy;
  std::string org;
  std::string protocol;  // its key
  std::string rollout;   // of it, that has not ended; "": there is none
  ListCursor cursor;
};

struct OrgRow {
  Org org;
  ListCursor cursor;
};

struct RegionRow {
  Region region;
  ListCursor cursor;
};

struct ProtocolRow {
  Protocol protocol;
  ListCursor cursor;
};

struct VersionRow {
  ProtocolVersion version;
  std::string protocol;
  ListCursor cursor;
};

}  // namespace tallyman::store
