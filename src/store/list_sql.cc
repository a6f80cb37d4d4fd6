#include "store/list_sql.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "base/checked.h"
#include "store/look_up_sql.h"
#include "store/refusals.h"

namespace tallyman::store {
namespace {

using enum ListValueKind;

struct FieldSql {
  std::string_view name;
  ListValueKind kind;
  std::string_view expression;
  // For "=", if that permits the use of an index; each {0} is the value. Empty: none.
  std::string_view equals = "";
  bool equals_nodes = false;  // `equals` selects the nodes whose commands are listed
};

struct ListingSql {
  std::string_view select;  // columns and joins
  std::string_view key;     // unique, breaks ties of the order; "": the dialect's
  ListValueKind key_kind;
  std::span<const FieldSql> fields;
  std::span<const ListField> names;
};

// LEFT JOINs to the tables that supply names: they keep the listed table in the outer loop, so that
// its index gives the order, and rows of a damaged database still appear.
constexpr FieldSql kOrgFields[] = {{"name", kText, "o.name"},
                                   {"created_at", kInteger, "o.created_at"}};
constexpr FieldSql kRegionFields[] = {{"name", kText, "r.name"},
                                      {"created_at", kInteger, "r.created_at"}};
// Thousandths of a host's capacity that charges and holds take. Bytes are counted in MiB, so that
// the product stays within 64 bits.
#define TALLYMAN_TAKEN(dimension, unit)                                                        \
  "CASE WHEN h." dimension " < " unit " THEN 0 ELSE (h.node_" dimension " + h.held_" dimension \
  ") / " unit " * 1000 / (h." dimension " / " unit ") END"
#define TALLYMAN_CPU_TAKEN TALLYMAN_TAKEN("cpu_cores", "1")
#define TALLYMAN_MEMORY_TAKEN TALLYMAN_TAKEN("memory_bytes", "1048576")
#define TALLYMAN_DISK_TAKEN TALLYMAN_TAKEN("disk_bytes", "1048576")
constexpr FieldSql kHostFields[] = {
    {"name", kText, "h.name"},
    {"region", kText, "coalesce(r.name, '')",
     "h.region_id = (SELECT id FROM regions WHERE name = {0})"},
    {"liveness", kText,
     "CASE WHEN h.silent_since IS NOT NULL THEN 'silent' "
     "WHEN h.heard THEN 'live' ELSE 'never_heard' END"},
    {"node_count", kInteger, "h.node_count"},
    {"free_cpu_cores", kInteger, "h.free_cpu_cores"},
    {"free_memory_bytes", kInteger, "h.free_memory_bytes"},
    {"free_disk_bytes", kInteger, "h.free_disk_bytes"},
    {"cpu_cores", kInteger, "h.cpu_cores"},
    {"memory_bytes", kInteger, "h.memory_bytes"},
    {"disk_bytes", kInteger, "h.disk_bytes"},
    {"node_cpu_cores", kInteger, "h.node_cpu_cores"},
    {"node_memory_bytes", kInteger, "h.node_memory_bytes"},
    {"node_disk_bytes", kInteger, "h.node_disk_bytes"},
    {"created_at", kInteger, "h.created_at"},
    {"cordoned", kText, "CASE WHEN h.cordoned THEN 'yes' ELSE 'no' END"},
    {"drain", kText, TALLYMAN_DRAIN_STATE},
    {"over_capacity", kText, "CASE WHEN " TALLYMAN_OVER_CAPACITY " THEN 'yes' ELSE 'no' END"},
    {"has_problem", kText,
     "CASE WHEN EXISTS (SELECT 1 FROM host_reports q "
     "WHERE q.host_id = h.id AND q.problem <> '') "
     "THEN 'yes' ELSE 'no' END"},
    {"cpu_taken_permille", kInteger, TALLYMAN_CPU_TAKEN},
    {"memory_taken_permille", kInteger, TALLYMAN_MEMORY_TAKEN},
    {"disk_taken_permille", kInteger, TALLYMAN_DISK_TAKEN},
    // Of the dimension of which most is taken.
    {"taken_permille", kInteger,
     "CASE WHEN " TALLYMAN_CPU_TAKEN " >= " TALLYMAN_MEMORY_TAKEN " AND " TALLYMAN_CPU_TAKEN
     " >= " TALLYMAN_DISK_TAKEN " THEN " TALLYMAN_CPU_TAKEN " WHEN " TALLYMAN_MEMORY_TAKEN
     " >= " TALLYMAN_DISK_TAKEN " THEN " TALLYMAN_MEMORY_TAKEN " ELSE " TALLYMAN_DISK_TAKEN
     " END"}};
constexpr FieldSql kProtocolFields[] = {
    {"key", kText, "p.key"},
    {"org", kText, "coalesce((SELECT name FROM orgs WHERE id = p.org_id), '')"},
    {"created_at", kInteger, "p.created_at"}};
constexpr FieldSql kVersionFields[] = {
    {"id", kUuid, "v.id"},
    {"protocol", kText, "coalesce(p.key, '')",
     "v.protocol_id = (SELECT id FROM protocols WHERE key = {0})"},
    {"variant", kText, "v.variant"},
    {"semantic_version", kText, "v.semantic_version"},
    {"created_at", kInteger, "v.created_at"}};
constexpr FieldSql kImageFields[] = {
    {"id", kUuid, "i.id"},
    {"protocol", kText, "coalesce(p.key, '')"},
    {"variant", kText, "coalesce(v.variant, '')"},
    {"semantic_version", kText, "coalesce(v.semantic_version, '')"},
    {"build", kInteger, "i.build"},
    {"cpu_cores", kInteger, "i.cpu_cores"},
    {"memory_bytes", kInteger, "i.memory_bytes"},
    {"disk_bytes", kInteger, "i.disk_bytes"},
    {"committed_at", kInteger, "i.committed_at"},
    {"org", kText, "coalesce((SELECT name FROM orgs WHERE id = i.org_id), '')"}};
constexpr FieldSql kNodeFields[] = {
    {"name", kText, "n.name"},
    {"org", kText, "coalesce(o.name, '')", "n.org_id = (SELECT id FROM orgs WHERE name = {0})"},
    {"host", kText, "coalesce(h.name, '')", "n.host_id = (SELECT id FROM hosts WHERE name = {0})"},
    {"region", kText, "coalesce(r.name, '')"},
    {"protocol", kText, "coalesce(p.key, '')",
     "n.protocol_id = (SELECT id FROM protocols WHERE key = {0})"},
    {"variant", kText, "coalesce(v.variant, '')"},
    {"semantic_version", kText, "n.semantic_version"},
    {"image_id", kUuid, "n.image_id"},
    {"node_state", kText, "n.node_state"},
    {"next_state", kText, "coalesce(n.next_state, '')"},
    {"cpu_cores", kInteger, "n.cpu_cores"},
    {"memory_bytes", kInteger, "n.memory_bytes"},
    {"disk_bytes", kInteger, "n.disk_bytes"},
    {"created_at", kInteger, "n.created_at"},
    {"updated_at", kInteger, "n.updated_at"},
    // As its host said last.
    {"unwell", kText,
     "CASE WHEN n.released_at IS NULL AND EXISTS (SELECT 1 FROM node_reports q "
     "WHERE q.host_id = n.host_id AND q.node_id = n.id "
     "AND (q.health = 'unhealthy' OR q.problem <> '')) THEN 'yes' ELSE 'no' END"}};
constexpr FieldSql kCommandFields[] = {
    {"id", kUuid, "c.id"},
    {"node", kText, "coalesce(n.name, '')", "(SELECT id FROM nodes WHERE name = {0})", true},
    {"host", kText, "coalesce(h.name, '')", "c.host_id = (SELECT id FROM hosts WHERE name = {0})"},
    {"kind", kText, "c.kind"},
    {"state", kText, "c.state"},
    {"created_at", kInteger, "c.created_at"},
    {"org", kText, "coalesce((SELECT name FROM orgs WHERE id = n.org_id), '')"},
    {"node_id", kUuid, "c.node_id", "({0})", true}};
constexpr FieldSql kEventFields[] = {
    {"cursor", kInteger, "e.cursor"},
    {"node", kText, "coalesce(n.name, '')", "e.node_id IN (SELECT id FROM nodes WHERE name = {0})"},
    {"host", kText, "coalesce(h.name, '')", "e.host_id = (SELECT id FROM hosts WHERE name = {0})"},
    {"org", kText, "coalesce(o.name, '')", "e.org_id = (SELECT id FROM orgs WHERE name = {0})"},
    {"kind", kText, "e.kind"},
    {"actor", kText, "e.actor_id"},
    {"request_id", kText, "e.request_id"},
    {"node_id", kUuid, "e.node_id"}};

constexpr FieldSql kTokenFields[] = {{"name", kText, "t.name"},
                                     {"role", kText, "t.role"},
                                     {"org", kText, "coalesce(o.name, '')"},
                                     {"host", kText, "coalesce(h.name, '')"},
                                     {"created_at", kInteger, "t.created_at"},
                                     {"expires_at", kInteger, "coalesce(t.expires_at, 0)"},
                                     {"revoked_at", kInteger, "coalesce(t.revoked_at, 0)"}};
constexpr FieldSql kRequestFields[] = {{"created_at", kInteger, "q.created_at"},
                                       {"actor", kText, "q.actor_id"},
                                       {"method", kText, "q.method"},
                                       {"address", kText, "q.address"},
                                       {"org", kText, "coalesce(o.name, '')"},
                                       {"request_id", kText, "q.request_id"},
                                       // Without a token its org, so that each row has an order.
                                       {"token_id", kUuid, "coalesce(q.token_id, q.org_id)"}};

constexpr FieldSql kRolloutFields[] = {{"name", kText, "l.name"},
                                       {"state", kText, "l.state"},
                                       {"org", kText, "coalesce(o.name, '')"},
                                       {"created_at", kInteger, "l.created_at"}};
constexpr FieldSql kRolloutNodeFields[] = {
    {"place", kInteger, "x.place"},
    {"rollout", kText, "coalesce((SELECT name FROM rollouts WHERE id = x.rollout_id), '')",
     "x.rollout_id = (SELECT id FROM rollouts WHERE name = {0})"},
    {"node", kText, "n.name"},
    {"host", kText, "h.name"},
    {"org", kText, "coalesce(o.name, '')"},
    {"wave", kInteger, "x.wave + 1"},
    {"state", kText, "x.state"},
    {"why", kText, "x.why"}};

constexpr FieldSql kPolicyFields[] = {
    {"name", kText, "p.name"},
    {"org", kText, "coalesce(o.name, '')"},
    {"protocol", kText, "coalesce(c.key, '')"},
    {"variant", kText, "p.variant"},
    {"enabled", kText, "CASE WHEN p.enabled THEN 'yes' ELSE 'no' END"},
    {"created_at", kInteger, "p.created_at"}};

template <const auto& kFields>
constexpr auto kNamesOf = [] {
  std::array<ListField, std::size(kFields)> names;
  for (size_t i = 0; i < names.size(); ++i) {
    const bool is_number = kFields[i].kind == kInteger;
    names[i] = {kFields[i].name, is_number ? FieldType::kInteger : FieldType::kText};
  }
  return names;
}();

// In the order of the enumerators of Listing. `{}` marks where the order and the key are selected.
constexpr ListingSql kListings[] = {
    {"SELECT " TALLYMAN_ORG_COLUMNS("o.") "{} FROM orgs o", "o.id", kUuid, kOrgFields,
     kNamesOf<kOrgFields>},
    {"SELECT " TALLYMAN_REGION_COLUMNS("r.") "{} FROM regions r", "r.id", kUuid, kRegionFields,
     kNamesOf<kRegionFields>},
    {"SELECT " TALLYMAN_HOST_ROW "{}" TALLYMAN_FROM_HOSTS, "h.id", kUuid, kHostFields,
     kNamesOf<kHostFields>},
    {"SELECT " TALLYMAN_PROTOCOL_COLUMNS("p.") "{} FROM protocols p", "p.id", kUuid,
     kProtocolFields, kNamesOf<kProtocolFields>},
    {"SELECT " TALLYMAN_VERSION_COLUMNS(
         "v.") ", coalesce(p.key, ''){} FROM protocol_versions v LEFT "
               "JOIN protocols p ON p.id = v.protocol_id",
     "v.id", kUuid, kVersionFields, kNamesOf<kVersionFields>},
    {"SELECT i.id{} FROM images i LEFT JOIN protocol_versions v ON v.id = i.protocol_version_id "
     "LEFT JOIN protocols p ON p.id = v.protocol_id",
     "i.id", kUuid, kImageFields, kNamesOf<kImageFields>},
    {"SELECT " TALLYMAN_NODE_ROW "{}" TALLYMAN_FROM_NODES
     "LEFT JOIN protocols p ON p.id = n.protocol_id "
     "LEFT JOIN protocol_versions v ON v.id = n.protocol_version_id",
     "n.id", kUuid, kNodeFields, kNamesOf<kNodeFields>},
    {"SELECT " TALLYMAN_COMMAND_ROW "{}" TALLYMAN_FROM_COMMANDS, "c.id", kUuid, kCommandFields,
     kNamesOf<kCommandFields>},
    {"SELECT " TALLYMAN_EVENT_COLUMNS(
         "e.") ", coalesce(o.name, ''), coalesce(h.name, ''), coalesce(n.name, ''){} FROM events e "
               "LEFT JOIN orgs o ON o.id = e.org_id LEFT JOIN hosts h ON h.id = e.host_id "
               "LEFT JOIN nodes n ON n.id = e.node_id",
     "e.cursor", kInteger, kEventFields, kNamesOf<kEventFields>},
    {"SELECT " TALLYMAN_TOKEN_ROW "{}" TALLYMAN_FROM_TOKENS, "t.id", kUuid, kTokenFields,
     kNamesOf<kTokenFields>},
    // The key of a request has three parts; joined into one text they remain unique.
    {"SELECT " TALLYMAN_REQUEST_COLUMNS(
         "q.") ", coalesce(o.name, ''){} FROM requests q LEFT JOIN orgs o ON o.id = q.org_id",
     "", kText, kRequestFields, kNamesOf<kRequestFields>},
    {"SELECT " TALLYMAN_ROLLOUT_ROW "{}" TALLYMAN_FROM_ROLLOUTS, "l.id", kUuid, kRolloutFields,
     kNamesOf<kRolloutFields>},
    {"SELECT " TALLYMAN_ROLLOUT_FACTS ", coalesce(o.name, ''){}" TALLYMAN_FROM_ROLLOUT_NODES
     "LEFT JOIN orgs o ON o.id = n.org_id",
     "x.node_id", kUuid, kRolloutNodeFields, kNamesOf<kRolloutNodeFields>},
    {"SELECT " TALLYMAN_POLICY_ROW "{}" TALLYMAN_FROM_POLICIES, "p.id", kUuid, kPolicyFields,
     kNamesOf<kPolicyFields>},
};

constexpr std::string_view kOperators[] = {"=", "<>", "<", "<=", ">", ">="};

const FieldSql* FindField(const ListingSql& listing, std::string_view name) {
  auto it = std::ranges::find(listing.fields, name, &FieldSql::name);
  return it == listing.fields.end() ? nullptr : &*it;
}

FieldValue KeyValue(const std::string& key, ListValueKind kind) {
  if (kind == kInteger) return ParseInt64(key).value_or(0);
  return key;
}

struct Builder {
  std::string where;
  std::vector<ListParameter> params;

  void Require(std::string_view condition) {
    where += where.empty() ? " WHERE " : " AND ";
    where += condition;
  }
  // Adds a parameter and returns its name.
  std::string Add(FieldValue value, ListValueKind kind) {
    params.push_back({std::move(value), kind});
    return fmt::format("${}", params.size());
  }
};

void RequireAfter(Builder& builder, const ListingSql& listing, const FieldSql& order,
                  const ListQuery& wanted) {
  const char* comparison = wanted.descending ? "<" : ">";
  const FieldValue key = KeyValue(wanted.after->key, listing.key_kind);
  if (order.expression == listing.key) {
    builder.Require(
        fmt::format("{} {} {}", listing.key, comparison, builder.Add(key, listing.key_kind)));
    return;
  }
  const std::string value = builder.Add(wanted.after->value, order.kind);
  builder.Require(fmt::format("({}, {}) {} ({}, {})", order.expression, listing.key, comparison,
                              value, builder.Add(key, listing.key_kind)));
}

// Text that is not an id equals no id, and sorts before all of them.
std::string CompareWithNoId(const FieldSql& field, Comparison comparison) {
  switch (comparison) {
    case Comparison::kEqual:
    case Comparison::kLess:
    case Comparison::kLessOrEqual:
      return "false";
    case Comparison::kNotEqual:
    case Comparison::kGreater:
    case Comparison::kGreaterOrEqual:
      break;
  }
  return fmt::format("{} IS NOT NULL", field.expression);
}

std::string Compare(Builder& builder, const ListDialect& dialect, const FieldSql& field,
                    const Condition& condition) {
  const auto* text = std::get_if<std::string>(&condition.value);
  if (field.kind == kUuid && text != nullptr && !Uuid::Parse(*text)) {
    return CompareWithNoId(field, condition.comparison);
  }
  const std::string parameter = builder.Add(condition.value, field.kind);
  if (condition.comparison != Comparison::kEqual || field.equals.empty()) {
    return fmt::format("{} {} {}", field.expression,
                       kOperators[static_cast<size_t>(condition.comparison)], parameter);
  }
  std::string equals = fmt::format(fmt::runtime(field.equals), parameter);
  if (!field.equals_nodes) return equals;
  return fmt::format(fmt::runtime(dialect.commands_of), equals);
}

Status RequireConditions(Builder& builder, const ListDialect& dialect, const ListingSql& listing,
                         const ListQuery& wanted) {
  for (const Condition& condition : wanted.conditions) {
    const FieldSql* field = FindField(listing, condition.field);
    if (field == nullptr) return Fail(UnknownListField(condition.field));
    builder.Require(Compare(builder, dialect, *field, condition));
  }
  return {};
}

const FieldSql* OrderOf(const ListingSql& listing, const ListQuery& wanted) {
  return wanted.order_by.empty() ? &listing.fields[0] : FindField(listing, wanted.order_by);
}

}  // namespace

std::span<const ListField> FieldsOf(Listing listing) {
  return kListings[static_cast<size_t>(listing)].names;
}

Result<ListSql> MakeListSql(const ListDialect& dialect, Listing which, const ListQuery& wanted) {
  ListingSql listing = kListings[static_cast<size_t>(which)];
  if (listing.key.empty()) listing.key = dialect.request_key;
  const FieldSql* order = OrderOf(listing, wanted);
  if (order == nullptr) return Fail(UnknownListField(wanted.order_by));
  const bool by_cursor = which == Listing::kEvents && order->expression == listing.key;
  Builder builder;
  if (which == Listing::kNodes && !wanted.with_deleted) builder.Require("n.deleted_at IS NULL");
  if (which == Listing::kHosts && !wanted.with_deleted) builder.Require("h.retired_at IS NULL");
  if (by_cursor && !dialect.settled_events.empty()) builder.Require(dialect.settled_events);
  RETURN_IF_ERROR(RequireConditions(builder, dialect, listing, wanted));
  if (wanted.after) RequireAfter(builder, listing, *order, wanted);

  std::string sql = fmt::format(fmt::runtime(listing.select),
                                fmt::format(", {}, {}", order->expression, listing.key));
  sql += builder.where;
  const char* direction = wanted.descending ? " DESC" : "";
  sql += fmt::format(" ORDER BY {}{}", order->expression, direction);
  if (order->expression != listing.key) sql += fmt::format(", {}{}", listing.key, direction);
  sql += fmt::format(" LIMIT {}", dialect.limit_is_parameter ? builder.Add(wanted.limit, kInteger)
                                                             : std::to_string(wanted.limit));
  return ListSql{std::move(sql), std::move(builder.params), order->kind, listing.key_kind,
                 by_cursor};
}

}  // namespace tallyman::store
