#include "store/sqlite/list_sql.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "base/checked.h"
#include "store/refusals.h"
#include "store/sqlite/rows.h"

namespace tallyman {
namespace {

using enum ListValueKind;

struct FieldSql {
  std::string_view name;
  ListValueKind kind;
  std::string_view expression;
  // For "=" where that lets an index be used; each ? is the value. Empty: none.
  std::string_view equals = "";
};

struct ListingSql {
  std::string_view select;  // columns and joins
  std::string_view key;     // unique, breaks ties of the order
  ListValueKind key_kind;
  std::span<const FieldSql> fields;
};

// LEFT JOINs to the rows that names come from: they keep the listed table in the outer loop, so
// that its index gives the order, and rows of a damaged database show.
constexpr FieldSql kOrgFields[] = {{"name", kText, "o.name"},
                                   {"created_at", kInteger, "o.created_at"}};
constexpr FieldSql kRegionFields[] = {{"name", kText, "r.name"},
                                      {"created_at", kInteger, "r.created_at"}};
constexpr FieldSql kHostFields[] = {{"name", kText, "h.name"},
                                    {"region", kText, "ifnull(r.name, '')",
                                     "h.region_id = (SELECT id FROM regions WHERE name = ?)"},
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
    {"org", kText, "ifnull((SELECT name FROM orgs WHERE id = p.org_id), '')"},
    {"created_at", kInteger, "p.created_at"}};
constexpr FieldSql kVersionFields[] = {{"id", kUuid, "v.id"},
                                       {"protocol", kText, "ifnull(p.key, '')",
                                        "v.protocol_id = (SELECT id FROM protocols WHERE key = ?)"},
                                       {"variant", kText, "v.variant"},
                                       {"semantic_version", kText, "v.semantic_version"},
                                       {"created_at", kInteger, "v.created_at"}};
constexpr FieldSql kImageFields[] = {
    {"id", kUuid, "i.id"},
    {"protocol", kText, "ifnull(p.key, '')"},
    {"variant", kText, "ifnull(v.variant, '')"},
    {"semantic_version", kText, "ifnull(v.semantic_version, '')"},
    {"build", kInteger, "i.build"},
    {"cpu_cores", kInteger, "i.cpu_cores"},
    {"memory_bytes", kInteger, "i.memory_bytes"},
    {"disk_bytes", kInteger, "i.disk_bytes"},
    {"committed_at", kInteger, "i.committed_at"},
    {"org", kText, "ifnull((SELECT name FROM orgs WHERE id = i.org_id), '')"}};
constexpr FieldSql kNodeFields[] = {
    {"name", kText, "n.name"},
    {"org", kText, "ifnull(o.name, '')", "n.org_id = (SELECT id FROM orgs WHERE name = ?)"},
    {"host", kText, "ifnull(h.name, '')", "n.host_id = (SELECT id FROM hosts WHERE name = ?)"},
    {"region", kText, "ifnull(r.name, '')"},
    {"protocol", kText, "ifnull(p.key, '')",
     "n.protocol_id = (SELECT id FROM protocols WHERE key = ?)"},
    {"variant", kText, "ifnull(v.variant, '')"},
    {"semantic_version", kText, "n.semantic_version"},
    {"image_id", kUuid, "n.image_id"},
    {"node_state", kText, "n.node_state"},
    {"next_state", kText, "ifnull(n.next_state, '')"},
    {"cpu_cores", kInteger, "n.cpu_cores"},
    {"memory_bytes", kInteger, "n.memory_bytes"},
    {"disk_bytes", kInteger, "n.disk_bytes"},
    {"created_at", kInteger, "n.created_at"},
    {"updated_at", kInteger, "n.updated_at"}};
// The commands of a node lie in two partial indexes, by state.
#define TALLYMAN_COMMANDS_OF(nodes)                                                            \
  "c.rowid IN (SELECT rowid FROM commands INDEXED BY commands_pending WHERE node_id IN " nodes \
  " AND state IN ('open', 'taken', 'unknown', 'failed') UNION ALL "                            \
  "SELECT rowid FROM commands INDEXED BY commands_ended WHERE node_id IN " nodes               \
  " AND state IN ('settled', 'reverted', 'superseded', 'cancelled'))"
constexpr FieldSql kCommandFields[] = {
    {"id", kUuid, "c.id"},
    {"node", kText, "ifnull(n.name, '')",
     TALLYMAN_COMMANDS_OF("(SELECT id FROM nodes WHERE name = ?)")},
    {"host", kText, "ifnull(h.name, '')", "c.host_id = (SELECT id FROM hosts WHERE name = ?)"},
    {"kind", kText, "c.kind"},
    {"state", kText, "c.state"},
    {"created_at", kInteger, "c.created_at"},
    {"org", kText, "ifnull((SELECT name FROM orgs WHERE id = n.org_id), '')"},
    {"node_id", kUuid, "c.node_id", TALLYMAN_COMMANDS_OF("(?)")}};
constexpr FieldSql kEventFields[] = {
    {"cursor", kInteger, "e.cursor"},
    {"node", kText, "ifnull(n.name, '')", "e.node_id IN (SELECT id FROM nodes WHERE name = ?)"},
    {"host", kText, "ifnull(h.name, '')", "e.host_id = (SELECT id FROM hosts WHERE name = ?)"},
    {"org", kText, "ifnull(o.name, '')", "e.org_id = (SELECT id FROM orgs WHERE name = ?)"},
    {"kind", kText, "e.kind"},
    {"actor", kText, "e.actor_id"},
    {"request_id", kText, "e.request_id"},
    {"node_id", kUuid, "e.node_id"}};

constexpr FieldSql kTokenFields[] = {{"name", kText, "t.name"},
                                     {"role", kText, "t.role"},
                                     {"org", kText, "ifnull(o.name, '')"},
                                     {"host", kText, "ifnull(h.name, '')"},
                                     {"created_at", kInteger, "t.created_at"},
                                     {"expires_at", kInteger, "ifnull(t.expires_at, 0)"},
                                     {"revoked_at", kInteger, "ifnull(t.revoked_at, 0)"}};
constexpr FieldSql kRequestFields[] = {{"created_at", kInteger, "q.created_at"},
                                       {"actor", kText, "q.actor_id"},
                                       {"method", kText, "q.method"},
                                       {"address", kText, "q.address"},
                                       {"org", kText, "ifnull(o.name, '')"},
                                       {"request_id", kText, "q.request_id"}};

// In the order of the enumerators of Listing. `{}` is where the order and the key are selected.
constexpr ListingSql kListings[] = {
    {"SELECT " TALLYMAN_ORG_COLUMNS "{} FROM orgs o", "o.id", kUuid, kOrgFields},
    {"SELECT " TALLYMAN_REGION_COLUMNS "{} FROM regions r", "r.id", kUuid, kRegionFields},
    {"SELECT " TALLYMAN_HOST_COLUMNS
     ", ifnull(r.name, ''){} FROM hosts h LEFT JOIN regions r ON r.id = h.region_id",
     "h.id", kUuid, kHostFields},
    {"SELECT " TALLYMAN_PROTOCOL_COLUMNS "{} FROM protocols p", "p.id", kUuid, kProtocolFields},
    {"SELECT " TALLYMAN_VERSION_COLUMNS
     ", ifnull(p.key, ''){} FROM protocol_versions v LEFT JOIN protocols p ON p.id = v.protocol_id",
     "v.id", kUuid, kVersionFields},
    {"SELECT i.id{} FROM images i LEFT JOIN protocol_versions v ON v.id = i.protocol_version_id "
     "LEFT JOIN protocols p ON p.id = v.protocol_id",
     "i.id", kUuid, kImageFields},
    {"SELECT " TALLYMAN_NODE_COLUMNS
     ", ifnull(o.name, ''), ifnull(h.name, ''), ifnull(r.name, ''), r.id{} FROM nodes n "
     "LEFT JOIN orgs o ON o.id = n.org_id LEFT JOIN hosts h ON h.id = n.host_id "
     "LEFT JOIN regions r ON r.id = h.region_id LEFT JOIN protocols p ON p.id = n.protocol_id "
     "LEFT JOIN protocol_versions v ON v.id = n.protocol_version_id",
     "n.id", kUuid, kNodeFields},
    {"SELECT " TALLYMAN_COMMAND_COLUMNS
     ", ifnull(n.name, ''), ifnull(h.name, ''){} FROM commands c "
     "LEFT JOIN nodes n ON n.id = c.node_id LEFT JOIN hosts h ON h.id = c.host_id",
     "c.id", kUuid, kCommandFields},
    {"SELECT " TALLYMAN_EVENT_COLUMNS
     ", ifnull(o.name, ''), ifnull(h.name, ''), ifnull(n.name, ''){} FROM events e "
     "LEFT JOIN orgs o ON o.id = e.org_id LEFT JOIN hosts h ON h.id = e.host_id "
     "LEFT JOIN nodes n ON n.id = e.node_id",
     "e.cursor", kInteger, kEventFields},
    {"SELECT " TALLYMAN_TOKEN_COLUMNS ", ifnull(o.name, ''), ifnull(h.name, ''){} FROM tokens t "
     "LEFT JOIN orgs o ON o.id = t.org_id LEFT JOIN hosts h ON h.id = t.host_id",
     "t.id", kUuid, kTokenFields},
    // The key of a request has three parts; as one text they still tell rows apart.
    {"SELECT " TALLYMAN_REQUEST_COLUMNS
     ", ifnull(o.name, ''){} FROM requests q LEFT JOIN orgs o ON o.id = q.org_id",
     "q.request_id || '/' || hex(q.org_id) || '/' || q.actor_id", kText, kRequestFields},
};

constexpr std::string_view kOperators[] = {"=", "<>", "<", "<=", ">", ">="};

const FieldSql* FindField(const ListingSql& listing, std::string_view name) {
  auto it = std::ranges::find(listing.fields, name, &FieldSql::name);
  return it == listing.fields.end() ? nullptr : &*it;
}

struct Parameter {
  FieldValue value;
  ListValueKind kind;
};

// An id stands as text in a list and as a blob in the table. Text that is no id stays text, which
// equals no blob.
void BindParameter(SqliteQuery& query, const Parameter& parameter) {
  if (const auto* number = std::get_if<int64_t>(&parameter.value)) {
    query.BindInteger(*number);
    return;
  }
  const std::string& text = std::get<std::string>(parameter.value);
  if (parameter.kind == kUuid) {
    if (auto uuid = Uuid::Parse(text)) {
      query.BindBlobCopy({reinterpret_cast<const char*>(uuid->bytes.data()), uuid->bytes.size()});
      return;
    }
  }
  query.BindTextCopy(text);
}

FieldValue KeyValue(const std::string& key, ListValueKind kind) {
  if (kind == kInteger) return ParseInt64(key).value_or(0);
  return key;
}

struct Builder {
  std::string where;
  std::vector<Parameter> parameters;

  void Require(std::string_view condition) {
    where += where.empty() ? " WHERE " : " AND ";
    where += condition;
  }
};

void RequireAfter(Builder& builder, const ListingSql& listing, const FieldSql& order,
                  const ListQuery& wanted) {
  const char* comparison = wanted.descending ? "<" : ">";
  const Parameter key{KeyValue(wanted.after->key, listing.key_kind), listing.key_kind};
  if (order.expression == listing.key) {
    builder.Require(fmt::format("{} {} ?", listing.key, comparison));
  } else {
    builder.Require(fmt::format("({}, {}) {} (?, ?)", order.expression, listing.key, comparison));
    builder.parameters.push_back({wanted.after->value, order.kind});
  }
  builder.parameters.push_back(key);
}

Status RequireConditions(Builder& builder, const ListingSql& listing, const ListQuery& wanted) {
  for (const Condition& condition : wanted.conditions) {
    const FieldSql* field = FindField(listing, condition.field);
    if (field == nullptr) return Fail(UnknownListField(condition.field));
    std::string sql(field->equals);
    if (condition.comparison != Comparison::kEqual || sql.empty()) {
      sql = fmt::format("{} {} ?", field->expression,
                        kOperators[static_cast<size_t>(condition.comparison)]);
    }
    builder.Require(sql);
    builder.parameters.insert(builder.parameters.end(),
                              static_cast<size_t>(std::ranges::count(sql, '?')),
                              {condition.value, field->kind});
  }
  return {};
}

bool ReadAs(SqliteQuery& query, ListValueKind kind, FieldValue& value) {
  if (kind == kInteger) {
    value = query.TakeInteger();
    return true;
  }
  if (kind == kText) {
    value = std::string(query.TakeText());
    return true;
  }
  Id<struct AnyTag> id;
  if (!ReadValue(query, id)) return false;
  value = id.ToString();
  return true;
}

}  // namespace

Result<PreparedList> PrepareList(SqliteConnection& connection, Listing which,
                                 const ListQuery& wanted) {
  const ListingSql& listing = kListings[static_cast<size_t>(which)];
  const FieldSql* order =
      wanted.order_by.empty() ? &listing.fields[0] : FindField(listing, wanted.order_by);
  if (order == nullptr) return Fail(UnknownListField(wanted.order_by));
  Builder builder;
  if (which == Listing::kNodes && !wanted.with_deleted) builder.Require("n.deleted_at IS NULL");
  RETURN_IF_ERROR(RequireConditions(builder, listing, wanted));
  if (wanted.after) RequireAfter(builder, listing, *order, wanted);

  std::string sql = fmt::format(fmt::runtime(listing.select),
                                fmt::format(", {}, {}", order->expression, listing.key));
  sql += builder.where;
  const char* direction = wanted.descending ? " DESC" : "";
  sql += fmt::format(" ORDER BY {}{}", order->expression, direction);
  if (order->expression != listing.key) sql += fmt::format(", {}{}", listing.key, direction);
  sql += " LIMIT ?";

  PreparedList list{connection.QueryOnce(sql), order->kind, listing.key_kind};
  for (const Parameter& parameter : builder.parameters) BindParameter(list.query, parameter);
  list.query.BindInteger(wanted.limit);
  return list;
}

Status ReadCursor(PreparedList& list, ListCursor& cursor) {
  FieldValue key;
  if (!ReadAs(list.query, list.order_kind, cursor.value) ||
      !ReadAs(list.query, list.key_kind, key)) {
    return Fail(list.query.CorruptValue());
  }
  const auto* number = std::get_if<int64_t>(&key);
  cursor.key = number != nullptr ? std::to_string(*number) : std::get<std::string>(std::move(key));
  return {};
}

}  // namespace tallyman
