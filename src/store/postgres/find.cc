// Lookups by id or name. A text of the form of an id is looked up as an id first.
#include "model/config.h"
#include "store/postgres/rows.h"
#include "store/postgres/transaction.h"
#include "store/refusals.h"

namespace tallyman {
namespace {

constexpr char kOrgById[] = "SELECT " TALLYMAN_ORG_COLUMNS " FROM orgs o WHERE o.id = $1";
constexpr char kOrgByName[] = "SELECT " TALLYMAN_ORG_COLUMNS " FROM orgs o WHERE o.name = $1";
constexpr char kRegionById[] = "SELECT " TALLYMAN_REGION_COLUMNS " FROM regions r WHERE r.id = $1";
constexpr char kRegionByName[] =
    "SELECT " TALLYMAN_REGION_COLUMNS " FROM regions r WHERE r.name = $1";
constexpr char kProtocolById[] =
    "SELECT " TALLYMAN_PROTOCOL_COLUMNS " FROM protocols p WHERE p.id = $1";
constexpr char kProtocolByKey[] =
    "SELECT " TALLYMAN_PROTOCOL_COLUMNS " FROM protocols p WHERE p.key = $1";
constexpr char kVersion[] =
    "SELECT " TALLYMAN_VERSION_COLUMNS
    " FROM protocol_versions v "
    "WHERE v.protocol_id = $1 AND v.variant = $2 AND v.semantic_version = $3";

#define TALLYMAN_HOST_ROW         \
  "SELECT " TALLYMAN_HOST_COLUMNS \
  ", coalesce(r.name, '') FROM hosts h LEFT JOIN regions r ON r.id = h.region_id "
constexpr char kHostById[] = TALLYMAN_HOST_ROW "WHERE h.id = $1";
constexpr char kHostByName[] = TALLYMAN_HOST_ROW "WHERE h.name = $1";

#define TALLYMAN_CONFIG_COLUMNS \
  "c.image_id, c.json, c.cpu_cores, c.memory_bytes, c.disk_bytes, c.created_at"

#define TALLYMAN_NODE_ROW \
  TALLYMAN_NODE_COLUMNS ", coalesce(o.name, ''), coalesce(h.name, ''), coalesce(r.name, ''), r.id"
#define TALLYMAN_FROM_NODES                            \
  " FROM nodes n LEFT JOIN orgs o ON o.id = n.org_id " \
  "LEFT JOIN hosts h ON h.id = n.host_id "             \
  "LEFT JOIN regions r ON r.id = h.region_id "
#define TALLYMAN_NODE_BY_ID "WHERE n.id = $1"
#define TALLYMAN_NODE_BY_NAME "WHERE n.name = $1 AND n.deleted_at IS NULL"
constexpr char kNodeById[] = "SELECT " TALLYMAN_NODE_ROW TALLYMAN_FROM_NODES TALLYMAN_NODE_BY_ID;
constexpr char kNodeByName[] =
    "SELECT " TALLYMAN_NODE_ROW TALLYMAN_FROM_NODES TALLYMAN_NODE_BY_NAME;
#define TALLYMAN_NODE_AND_CONFIG                                                                \
  "SELECT " TALLYMAN_NODE_ROW ", " TALLYMAN_CONFIG_COLUMNS ", run.image_id" TALLYMAN_FROM_NODES \
  "LEFT JOIN configs c ON c.id = n.config_id "                                                  \
  "LEFT JOIN configs run ON run.id = n.running_config_id "
constexpr char kNodeAndConfigById[] = TALLYMAN_NODE_AND_CONFIG TALLYMAN_NODE_BY_ID;
constexpr char kNodeAndConfigByName[] = TALLYMAN_NODE_AND_CONFIG TALLYMAN_NODE_BY_NAME;

// Names from PREFIX- up to, but not including, PREFIX. ('.' follows '-') that end in digits only.
constexpr char kLargestNumber[] =
    "SELECT coalesce(max(substr(name, $3::int)::bigint), 0) FROM nodes "
    "WHERE name > $1 AND name < $2 AND substr(name, $3::int) ~ '^[0-9]+$' "
    "AND length(name) < $3::int + 18";

constexpr char kConfig[] = "SELECT " TALLYMAN_CONFIG_COLUMNS " FROM configs c WHERE c.id = $1";
constexpr char kBuilds[] =
    "SELECT i.id FROM protocols p JOIN protocol_versions v ON v.protocol_id = p.id "
    "JOIN images i ON i.protocol_version_id = v.id "
    "WHERE p.key = $1 AND v.variant = $2 AND v.semantic_version = $3 ORDER BY i.build";
constexpr char kCommand[] =
    "SELECT " TALLYMAN_COMMAND_COLUMNS
    ", coalesce(n.name, ''), coalesce(h.name, '') FROM commands c "
    "LEFT JOIN nodes n ON n.id = c.node_id LEFT JOIN hosts h ON h.id = c.host_id WHERE c.id = $1";

#define TALLYMAN_TOKEN_ROW                                      \
  "SELECT " TALLYMAN_TOKEN_COLUMNS                              \
  ", coalesce(o.name, ''), coalesce(h.name, '') FROM tokens t " \
  "LEFT JOIN orgs o ON o.id = t.org_id LEFT JOIN hosts h ON h.id = t.host_id "
constexpr char kTokenById[] = TALLYMAN_TOKEN_ROW "WHERE t.id = $1";
constexpr char kTokenByName[] =
    TALLYMAN_TOKEN_ROW "WHERE t.name = $1 AND t.revoked_at IS NULL AND t.used_at IS NULL";

// PostgreSQL's text has no NUL, so nothing is called by such a name.
bool CanBeText(std::string_view text) { return text.find('\0') == std::string_view::npos; }

// The first row, if there is one.
template <class... T>
Result<bool> ReadOne(PgTransaction& transaction, const char* sql, PgParams params, T&... values) {
  ASSIGN_OR_RETURN(PgResult result, transaction.RunOne(sql, std::move(params)));
  if (result.rows() == 0) return false;
  RETURN_IF_ERROR(result.row(0).Read(values...));
  return true;
}

// By id where the text is one and names a row, else by name.
template <class IdType, class... T>
Result<bool> ReadByIdOrName(PgTransaction& transaction, const char* by_id, const char* by_name,
                            std::string_view id_or_name, T&... values) {
  if (auto id = IdType::Parse(id_or_name)) {
    ASSIGN_OR_RETURN(bool found, ReadOne(transaction, by_id, PgParams::Of(*id), values...));
    if (found) return true;
  }
  if (!CanBeText(id_or_name)) return false;
  return ReadOne(transaction, by_name, PgParams::Of(id_or_name), values...);
}

template <class T>
Result<std::optional<T>> IfFound(Result<bool> found, T& value) {
  ASSIGN_OR_RETURN(bool is_there, std::move(found));
  std::optional<T> out;
  if (is_there) out = std::move(value);
  return out;
}

}  // namespace

Result<std::optional<Org>> PgTransaction::FindOrg(std::string_view id_or_name) {
  Org org;
  return IfFound(ReadByIdOrName<OrgId>(*this, kOrgById, kOrgByName, id_or_name, org), org);
}

Result<std::optional<Region>> PgTransaction::FindRegion(std::string_view id_or_name) {
  Region region;
  return IfFound(ReadByIdOrName<RegionId>(*this, kRegionById, kRegionByName, id_or_name, region),
                 region);
}

Result<std::optional<HostRow>> PgTransaction::FindHost(std::string_view id_or_name) {
  HostRow row;
  return IfFound(
      ReadByIdOrName<HostId>(*this, kHostById, kHostByName, id_or_name, row.host, row.region), row);
}

Result<std::optional<Protocol>> PgTransaction::FindProtocol(std::string_view id_or_key) {
  Protocol protocol;
  return IfFound(
      ReadByIdOrName<ProtocolId>(*this, kProtocolById, kProtocolByKey, id_or_key, protocol),
      protocol);
}

Result<std::optional<ProtocolVersion>> PgTransaction::FindVersion(
    const ProtocolId& protocol, std::string_view variant, std::string_view semantic_version) {
  if (!CanBeText(variant) || !CanBeText(semantic_version)) return std::nullopt;
  ProtocolVersion version;
  return IfFound(
      ReadOne(*this, kVersion, PgParams::Of(protocol, variant, semantic_version), version),
      version);
}

Result<std::optional<NodeRow>> PgTransaction::FindNode(std::string_view id_or_name) {
  NodeRow row;
  ASSIGN_OR_RETURN(bool found,
                   ReadByIdOrName<NodeId>(*this, kNodeById, kNodeByName, id_or_name, row.node,
                                          row.org, row.host, row.region, row.region_id));
  if (!found) return std::optional<NodeRow>();
  RETURN_IF_ERROR(EnsureImages({row.node.image_id}));
  row.image = ImageName(row.node.image_id);
  return row;
}

Result<std::optional<NodeAndConfig>> PgTransaction::FindNodeAndConfig(std::string_view id_or_name) {
  NodeAndConfig found;
  NodeRow& row = found.row;
  NodeConfig& config = found.config;
  std::string json;
  std::optional<ImageId> running;
  ASSIGN_OR_RETURN(
      bool is_there,
      ReadByIdOrName<NodeId>(*this, kNodeAndConfigById, kNodeAndConfigByName, id_or_name, row.node,
                             row.org, row.host, row.region, row.region_id, config.image_id, json,
                             config.resources, config.created_at, running));
  if (!is_there) return std::optional<NodeAndConfig>();
  config.id = row.node.config_id;
  RETURN_IF_ERROR(ConfigFromJson(json, config));
  RETURN_IF_ERROR(EnsureImages({row.node.image_id, running.value_or(row.node.image_id)}));
  row.image = ImageName(row.node.image_id);
  if (running) found.running_image = ImageName(*running);
  return found;
}

Result<int64_t> PgTransaction::NextNodeNumber(std::string_view prefix) {
  const std::string from = std::string(prefix) + '-';
  const std::string to = std::string(prefix) + '.';
  int64_t largest = 0;
  if (!CanBeText(prefix)) return 1;
  RETURN_IF_ERROR(ReadOne(*this, kLargestNumber,
                          PgParams::Of(from, to, static_cast<int64_t>(from.size()) + 1), largest));
  return largest + 1;
}

Result<std::optional<NodeConfig>> PgTransaction::FindConfig(const ConfigId& id) {
  NodeConfig config;
  std::string json;
  ASSIGN_OR_RETURN(bool found, ReadOne(*this, kConfig, PgParams::Of(id), config.image_id, json,
                                       config.resources, config.created_at));
  if (!found) return std::optional<NodeConfig>();
  config.id = id;
  RETURN_IF_ERROR(ConfigFromJson(json, config));
  return config;
}

Result<ImagePointer> PgTransaction::FindImage(const ImageId& id) {
  if (has_written()) return Fail(ReadAfterWrite());
  RETURN_IF_ERROR(EnsureImages({id}));
  return images_.Find(id);
}

Result<std::vector<ImagePointer>> PgTransaction::FindBuilds(std::string_view protocol,
                                                            std::string_view variant,
                                                            std::string_view semantic_version) {
  std::vector<ImagePointer> builds;
  if (!CanBeText(protocol) || !CanBeText(variant) || !CanBeText(semantic_version)) return builds;
  ASSIGN_OR_RETURN(PgResult result,
                   RunOne(kBuilds, PgParams::Of(protocol, variant, semantic_version)));
  std::vector<ImageId> ids(static_cast<size_t>(result.rows()));
  for (int i = 0; i < result.rows(); ++i) {
    RETURN_IF_ERROR(result.row(i).Read(ids[static_cast<size_t>(i)]));
  }
  RETURN_IF_ERROR(EnsureImages(ids));
  for (const ImageId& id : ids) builds.push_back(images_.Find(id));
  return builds;
}

Result<std::optional<CommandRow>> PgTransaction::FindCommand(const CommandId& id) {
  CommandRow row;
  return IfFound(ReadOne(*this, kCommand, PgParams::Of(id), row.command, row.node, row.host), row);
}

Result<std::optional<TokenRow>> PgTransaction::FindToken(std::string_view id_or_name) {
  TokenRow row;
  return IfFound(ReadByIdOrName<TokenId>(*this, kTokenById, kTokenByName, id_or_name, row.token,
                                         row.org, row.host),
                 row);
}

}  // namespace tallyman
