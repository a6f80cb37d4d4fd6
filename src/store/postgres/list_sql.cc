#include "store/postgres/list_sql.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "base/checked.h"
#include "store/postgres/rows.h"
#include "store/refusals.h"

namespace tallyman {
namespace {

using enum PgListKind;

struct FieldSql {
  std::string_view name;
  PgListKind kind;
  std::string_view expression;
  // For "=" where that lets an index be used; each {0} is the value. Empty: none.
  std::string_view equals = "";
};

struct ListingSql {
  std::string_view select;  // columns and joins
  std::string_view key;     // unique, breaks ties of the order
  PgListKind key_kind;
  std::span<const FieldSql> fields;
};

// LEFT JOINs to the rows that names come from: they keep the listed table in the outer loop, so
// that its index gives the order, and rows of a damaged database show.
constexpr FieldSql kOrgFields[] = {{"name", kText, "o.name"},
                                   {"created_at", kInteger, "o.created_at"}};
constexpr FieldSql kRegionFields[] = {{"name", kText, "r.name"},
                                      {"created_at", kInteger, "r.created_at"}};
constexpr FieldSql kHostFields[] = {{"name", kText, "h.name"},
                                    {"region", kText, "coalesce(r.name, '')",
                                     "h.region_id = (SELECT id FROM regions WHERE name = {0})"},
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
                                    {"created_at", kInteger, "h.created_at"}};
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
    {"updated_at", kInteger, "n.updated_at"}};
// The commands of a node lie in two partial indexes, by state.
#define TALLYMAN_COMMANDS_OF(nodes)                                 \
  "c.id IN (SELECT id FROM commands WHERE node_id IN " nodes        \
  " AND state IN ('open', 'taken', 'unknown', 'failed') UNION ALL " \
  "SELECT id FROM commands WHERE node_id IN " nodes                 \
  " AND state IN ('settled', 'reverted', 'superseded', 'cancelled'))"
constexpr FieldSql kCommandFields[] = {
    {"id", kUuid, "c.id"},
    {"node", kText, "coalesce(n.name, '')",
     TALLYMAN_COMMANDS_OF("(SELECT id FROM nodes WHERE name = {0})")},
    {"host", kText, "coalesce(h.name, '')", "c.host_id = (SELECT id FROM hosts WHERE name = {0})"},
    {"kind", kText, "c.kind"},
    {"state", kText, "c.state"},
    {"created_at", kInteger, "c.created_at"},
    {"org", kText, "coalesce((SELECT name FROM orgs WHERE id = n.org_id), '')"},
    {"node_id", kUuid, "c.node_id", TALLYMAN_COMMANDS_OF("({0})")}};
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
                                       {"request_id", kText, "q.request_id"}};

// In the order of the enumerators of Listing. `{}` is where the order and the key are selected.
constexpr ListingSql kListings[] = {
    {"SELECT " TALLYMAN_ORG_COLUMNS "{} FROM orgs o", "o.id", kUuid, kOrgFields},
    {"SELECT " TALLYMAN_REGION_COLUMNS "{} FROM regions r", "r.id", kUuid, kRegionFields},
    {"SELECT " TALLYMAN_HOST_COLUMNS
     ", coalesce(r.name, ''){} FROM hosts h LEFT JOIN regions r ON r.id = h.region_id",
     "h.id", kUuid, kHostFields},
    {"SELECT " TALLYMAN_PROTOCOL_COLUMNS "{} FROM protocols p", "p.id", kUuid, kProtocolFields},
    {"SELECT " TALLYMAN_VERSION_COLUMNS ", coalesce(p.key, ''){} FROM protocol_versions v LEFT "
     "JOIN protocols p ON p.id = v.protocol_id",
     "v.id", kUuid, kVersionFields},
    {"SELECT i.id{} FROM images i LEFT JOIN protocol_versions v ON v.id = i.protocol_version_id "
     "LEFT JOIN protocols p ON p.id = v.protocol_id",
     "i.id", kUuid, kImageFields},
    {"SELECT " TALLYMAN_NODE_COLUMNS
     ", coalesce(o.name, ''), coalesce(h.name, ''), coalesce(r.name, ''), r.id{} FROM nodes n "
     "LEFT JOIN orgs o ON o.id = n.org_id LEFT JOIN hosts h ON h.id = n.host_id "
     "LEFT JOIN regions r ON r.id = h.region_id LEFT JOIN protocols p ON p.id = n.protocol_id "
     "LEFT JOIN protocol_versions v ON v.id = n.protocol_version_id",
     "n.id", kUuid, kNodeFields},
    {"SELECT " TALLYMAN_COMMAND_COLUMNS
     ", coalesce(n.name, ''), coalesce(h.name, ''){} FROM commands c "
     "LEFT JOIN nodes n ON n.id = c.node_id LEFT JOIN hosts h ON h.id = c.host_id",
     "c.id", kUuid, kCommandFields},
    {"SELECT " TALLYMAN_EVENT_COLUMNS
     ", coalesce(o.name, ''), coalesce(h.name, ''), coalesce(n.name, ''){} FROM events e "
     "LEFT JOIN orgs o ON o.id = e.org_id LEFT JOIN hosts h ON h.id = e.host_id "
     "LEFT JOIN nodes n ON n.id = e.node_id",
     "e.cursor", kInteger, kEventFields},
    {"SELECT " TALLYMAN_TOKEN_COLUMNS
     ", coalesce(o.name, ''), coalesce(h.name, ''){} FROM tokens t "
     "LEFT JOIN orgs o ON o.id = t.org_id LEFT JOIN hosts h ON h.id = t.host_id",
     "t.id", kUuid, kTokenFields},
    // The key of a request has three parts; as one text they still tell rows apart.
    {"SELECT " TALLYMAN_REQUEST_COLUMNS
     ", coalesce(o.name, ''){} FROM requests q LEFT JOIN orgs o ON o.id = q.org_id",
     "(q.request_id || '/' || q.org_id::text || '/' || q.actor_id)", kText, kRequestFields},
};

constexpr std::string_view kOperators[] = {"=", "<>", "<", "<=", ">", ">="};

const FieldSql* FindField(const ListingSql& listing, std::string_view name) {
  auto it = std::ranges::find(listing.fields, name, &FieldSql::name);
  return it == listing.fields.end() ? nullptr : &*it;
}

FieldValue KeyValue(const std::string& key, PgListKind kind) {
  if (kind == kInteger) return ParseInt64(key).value_or(0);
  return key;
}

struct Builder {
  std::string where;
  PgParams params;

  void Require(std::string_view condition) {
    where += where.empty() ? " WHERE " : " AND ";
    where += condition;
  }
  // Adds a parameter and gives its name. An id stands as text in a list and as a UUID in the table.
  std::string Add(const FieldValue& value, PgListKind kind) {
    if (const auto* number = std::get_if<int64_t>(&value)) {
      AppendValue(params, *number);
    } else if (kind == kUuid) {
      const auto uuid = Uuid::Parse(std::get<std::string>(value));
      AppendValue(params, Id<struct AnyTag>{uuid.value_or(Uuid{})});
    } else {
      AppendValue(params, std::get<std::string>(value));
    }
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

// Text that is no id equals none, and stands before all of them.
std::string_view CompareWithNoId(Comparison comparison) {
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
  return "true";
}

Status RequireConditions(Builder& builder, const ListingSql& listing, const ListQuery& wanted) {
  for (const Condition& condition : wanted.conditions) {
    const FieldSql* field = FindField(listing, condition.field);
    if (field == nullptr) return Fail(UnknownListField(condition.field));
    const auto* text = std::get_if<std::string>(&condition.value);
    if (field->kind == kUuid && text != nullptr && !Uuid::Parse(*text)) {
      builder.Require(CompareWithNoId(condition.comparison));
      continue;
    }
    const std::string parameter = builder.Add(condition.value, field->kind);
    if (condition.comparison == Comparison::kEqual && !field->equals.empty()) {
      builder.Require(fmt::format(fmt::runtime(field->equals), parameter));
    } else {
      builder.Require(fmt::format("{} {} {}", field->expression,
                                  kOperators[static_cast<size_t>(condition.comparison)],
                                  parameter));
    }
  }
  return {};
}

Status ReadAs(PgRow& row, PgListKind kind, FieldValue& value) {
  if (kind == kInteger) return row.Read(value.emplace<int64_t>());
  if (kind == kText) return row.Read(value.emplace<std::string>());
  Id<struct AnyTag> id;
  RETURN_IF_ERROR(row.Read(id));
  value = id.ToString();
  return {};
}

const FieldSql* OrderOf(const ListingSql& listing, const ListQuery& wanted) {
  return wanted.order_by.empty() ? &listing.fields[0] : FindField(listing, wanted.order_by);
}

}  // namespace

bool IsByCursor(Listing listing, const ListQuery& wanted) {
  if (listing != Listing::kEvents) return false;
  return wanted.order_by.empty() || wanted.order_by == kEventFields[0].name;
}

Result<PgListSql> MakeListSql(Listing which, const ListQuery& wanted) {
  const ListingSql& listing = kListings[static_cast<size_t>(which)];
  const FieldSql* order = OrderOf(listing, wanted);
  if (order == nullptr) return Fail(UnknownListField(wanted.order_by));
  Builder builder;
  if (which == Listing::kNodes && !wanted.with_deleted) builder.Require("n.deleted_at IS NULL");
  if (IsByCursor(which, wanted)) {
    builder.Require("e.cursor <= current_setting('tallyman.event_horizon')::bigint");
  }
  RETURN_IF_ERROR(RequireConditions(builder, listing, wanted));
  if (wanted.after) RequireAfter(builder, listing, *order, wanted);

  std::string sql = fmt::format(fmt::runtime(listing.select),
                                fmt::format(", {}, {}", order->expression, listing.key));
  sql += builder.where;
  const char* direction = wanted.descending ? " DESC" : "";
  sql += fmt::format(" ORDER BY {}{}", order->expression, direction);
  if (order->expression != listing.key) sql += fmt::format(", {}{}", listing.key, direction);
  // As a number and not as a parameter, so that the planner knows how few rows are wanted.
  sql += fmt::format(" LIMIT {}", wanted.limit);
  return PgListSql{std::move(sql), std::move(builder.params), order->kind, listing.key_kind};
}

Status ReadListCursor(PgRow& row, const PgListSql& list, ListCursor& cursor) {
  FieldValue key;
  RETURN_IF_ERROR(ReadAs(row, list.order_kind, cursor.value));
  RETURN_IF_ERROR(ReadAs(row, list.key_kind, key));
  const auto* number = std::get_if<int64_t>(&key);
  cursor.key = number != nullptr ? std::to_string(*number) : std::get<std::string>(std::move(key));
  return {};
}

}  // namespace tallyman
