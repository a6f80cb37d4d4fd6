// Lookups by id or name. A text of the form of an id is looked up as an id first.
#include "model/config.h"
#include "store/sqlite/rows.h"
#include "store/sqlite/transaction.h"

namespace tallyman {
namespace {

constexpr char kOrgById[] = "SELECT " TALLYMAN_ORG_COLUMNS " FROM orgs o WHERE o.id = ?1";
constexpr char kOrgByName[] = "SELECT " TALLYMAN_ORG_COLUMNS " FROM orgs o WHERE o.name = ?1";
constexpr char kRegionById[] = "SELECT " TALLYMAN_REGION_COLUMNS " FROM regions r WHERE r.id = ?1";
constexpr char kRegionByName[] =
    "SELECT " TALLYMAN_REGION_COLUMNS " FROM regions r WHERE r.name = ?1";
constexpr char kProtocolById[] =
    "SELECT " TALLYMAN_PROTOCOL_COLUMNS " FROM protocols p WHERE p.id = ?1";
constexpr char kProtocolByKey[] =
    "SELECT " TALLYMAN_PROTOCOL_COLUMNS " FROM protocols p WHERE p.key = ?1";
constexpr char kVersion[] =
    "SELECT " TALLYMAN_VERSION_COLUMNS
    " FROM protocol_versions v "
    "WHERE v.protocol_id = ?1 AND v.variant = ?2 AND v.semantic_version = ?3";

#define TALLYMAN_HOST_ROW         \
  "SELECT " TALLYMAN_HOST_COLUMNS \
  ", ifnull(r.name, '') FROM hosts h LEFT JOIN regions r ON r.id = h.region_id "
constexpr char kHostById[] = TALLYMAN_HOST_ROW "WHERE h.id = ?1";
constexpr char kHostByName[] = TALLYMAN_HOST_ROW "WHERE h.name = ?1";

#define TALLYMAN_CONFIG_COLUMNS \
  "c.image_id, c.json, c.cpu_cores, c.memory_bytes, c.disk_bytes, c.created_at"

#define TALLYMAN_NODE_ROW \
  TALLYMAN_NODE_COLUMNS ", ifnull(o.name, ''), ifnull(h.name, ''), ifnull(r.name, ''), r.id"
#define TALLYMAN_FROM_NODES                            \
  " FROM nodes n LEFT JOIN orgs o ON o.id = n.org_id " \
  "LEFT JOIN hosts h ON h.id = n.host_id "             \
  "LEFT JOIN regions r ON r.id = h.region_id "
#define TALLYMAN_NODE_BY_ID "WHERE n.id = ?1"
#define TALLYMAN_NODE_BY_NAME "WHERE n.name = ?1 AND n.deleted_at IS NULL"
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
    "SELECT ifnull(max(CAST(substr(name, ?3) AS INTEGER)), 0) FROM nodes INDEXED BY nodes_any_name "
    "WHERE name > ?1 AND name < ?2 AND substr(name, ?3) NOT GLOB '*[^0-9]*' "
    "AND length(name) < ?3 + 18";

constexpr char kConfig[] = "SELECT " TALLYMAN_CONFIG_COLUMNS " FROM configs c WHERE c.id = ?1";
constexpr char kBuilds[] =
    "SELECT i.id FROM protocols p JOIN protocol_versions v ON v.protocol_id = p.id "
    "JOIN images i ON i.protocol_version_id = v.id "
    "WHERE p.key = ?1 AND v.variant = ?2 AND v.semantic_version = ?3 ORDER BY i.build";
constexpr char kCommand[] =
    "SELECT " TALLYMAN_COMMAND_COLUMNS
    ", ifnull(n.name, ''), ifnull(h.name, '') FROM commands c "
    "LEFT JOIN nodes n ON n.id = c.node_id LEFT JOIN hosts h ON h.id = c.host_id WHERE c.id = ?1";

#define TALLYMAN_TOKEN_ROW                                  \
  "SELECT " TALLYMAN_TOKEN_COLUMNS                          \
  ", ifnull(o.name, ''), ifnull(h.name, '') FROM tokens t " \
  "LEFT JOIN orgs o ON o.id = t.org_id LEFT JOIN hosts h ON h.id = t.host_id "
constexpr char kTokenById[] = TALLYMAN_TOKEN_ROW "WHERE t.id = ?1";
constexpr char kTokenByName[] =
    TALLYMAN_TOKEN_ROW "WHERE t.name = ?1 AND t.revoked_at IS NULL AND t.used_at IS NULL";

template <class... T>
Result<bool> ReadOne(SqliteQuery& query, T&... values) {
  ASSIGN_OR_RETURN(bool found, query.Next());
  if (found) RETURN_IF_ERROR(query.Read(values...));
  return found;
}

// By id where the text is one and names a row, else by name.
template <class IdType, class... T>
Result<bool> ReadByIdOrName(SqliteConnection& connection, const char* by_id, const char* by_name,
                            std::string_view id_or_name, T&... values) {
  if (auto id = IdType::Parse(id_or_name)) {
    SqliteQuery query = connection.Query(by_id);
    query.Bind(*id);
    ASSIGN_OR_RETURN(bool found, ReadOne(query, values...));
    if (found) return true;
  }
  SqliteQuery query = connection.Query(by_name);
  query.Bind(id_or_name);
  return ReadOne(query, values...);
}

template <class T>
Result<std::optional<T>> IfFound(Result<bool> found, T& value) {
  ASSIGN_OR_RETURN(bool is_there, std::move(found));
  std::optional<T> out;
  if (is_there) out = std::move(value);
  return out;
}

}  // namespace

Result<std::optional<Org>> SqliteTransaction::FindOrg(std::string_view id_or_name) {
  RETURN_IF_ERROR(CheckReadable());
  Org org;
  return IfFound(ReadByIdOrName<OrgId>(connection_, kOrgById, kOrgByName, id_or_name, org), org);
}

Result<std::optional<Region>> SqliteTransaction::FindRegion(std::string_view id_or_name) {
  RETURN_IF_ERROR(CheckReadable());
  Region region;
  return IfFound(
      ReadByIdOrName<RegionId>(connection_, kRegionById, kRegionByName, id_or_name, region),
      region);
}

Result<std::optional<HostRow>> SqliteTransaction::FindHost(std::string_view id_or_name) {
  RETURN_IF_ERROR(CheckReadable());
  HostRow row;
  return IfFound(
      ReadByIdOrName<HostId>(connection_, kHostById, kHostByName, id_or_name, row.host, row.region),
      row);
}

Result<std::optional<Protocol>> SqliteTransaction::FindProtocol(std::string_view id_or_key) {
  RETURN_IF_ERROR(CheckReadable());
  Protocol protocol;
  return IfFound(
      ReadByIdOrName<ProtocolId>(connection_, kProtocolById, kProtocolByKey, id_or_key, protocol),
      protocol);
}

Result<std::optional<ProtocolVersion>> SqliteTransaction::FindVersion(
    const ProtocolId& protocol, std::string_view variant, std::string_view semantic_version) {
  RETURN_IF_ERROR(CheckReadable());
  SqliteQuery query = connection_.Query(kVersion);
  query.Bind(protocol, variant, semantic_version);
  ProtocolVersion version;
  return IfFound(ReadOne(query, version), version);
}

Result<std::optional<NodeRow>> SqliteTransaction::FindNode(std::string_view id_or_name) {
  RETURN_IF_ERROR(CheckReadable());
  NodeRow row;
  ASSIGN_OR_RETURN(bool found,
                   ReadByIdOrName<NodeId>(connection_, kNodeById, kNodeByName, id_or_name, row.node,
                                          row.org, row.host, row.region, row.region_id));
  if (!found) return std::optional<NodeRow>();
  ASSIGN_OR_RETURN(row.image, ImageName(row.node.image_id));
  return row;
}

Result<std::optional<NodeAndConfig>> SqliteTransaction::FindNodeAndConfig(
    std::string_view id_or_name) {
  RETURN_IF_ERROR(CheckReadable());
  NodeAndConfig found;
  NodeRow& row = found.row;
  NodeConfig& config = found.config;
  std::string json;
  std::optional<ImageId> running;
  ASSIGN_OR_RETURN(
      bool is_there,
      ReadByIdOrName<NodeId>(connection_, kNodeAndConfigById, kNodeAndConfigByName, id_or_name,
                             row.node, row.org, row.host, row.region, row.region_id,
                             config.image_id, json, config.resources, config.created_at, running));
  if (!is_there) return std::optional<NodeAndConfig>();
  config.id = row.node.config_id;
  RETURN_IF_ERROR(ConfigFromJson(json, config));
  ASSIGN_OR_RETURN(row.image, ImageName(row.node.image_id));
  if (running) {
    ASSIGN_OR_RETURN(found.running_image, ImageName(*running));
  }
  return found;
}

Result<int64_t> SqliteTransaction::NextNodeNumber(std::string_view prefix) {
  RETURN_IF_ERROR(CheckReadable());
  const std::string from = std::string(prefix) + '-';
  const std::string to = std::string(prefix) + '.';
  SqliteQuery query = connection_.Query(kLargestNumber);
  query.Bind(from, to, static_cast<int64_t>(from.size()) + 1);
  int64_t largest = 0;
  RETURN_IF_ERROR(ReadOne(query, largest));
  return largest + 1;
}

Result<std::optional<NodeConfig>> SqliteTransaction::FindConfig(const ConfigId& id) {
  RETURN_IF_ERROR(CheckReadable());
  SqliteQuery query = connection_.Query(kConfig);
  query.Bind(id);
  NodeConfig config;
  std::string json;
  ASSIGN_OR_RETURN(bool found,
                   ReadOne(query, config.image_id, json, config.resources, config.created_at));
  if (!found) return std::optional<NodeConfig>();
  config.id = id;
  RETURN_IF_ERROR(ConfigFromJson(json, config));
  return config;
}

Result<std::shared_ptr<const Image>> SqliteTransaction::FindImage(const ImageId& id) {
  RETURN_IF_ERROR(CheckReadable());
  return images_.Get(connection_, id);
}

Result<std::vector<std::shared_ptr<const Image>>> SqliteTransaction::FindBuilds(
    std::string_view protocol, std::string_view variant, std::string_view semantic_version) {
  RETURN_IF_ERROR(CheckReadable());
  SqliteQuery query = connection_.Query(kBuilds);
  query.Bind(protocol, variant, semantic_version);
  std::vector<std::shared_ptr<const Image>> builds;
  while (true) {
    ImageId id;
    ASSIGN_OR_RETURN(bool found, ReadOne(query, id));
    if (!found) return builds;
    ASSIGN_OR_RETURN(builds.emplace_back(), images_.Get(connection_, id));
  }
}

Result<std::optional<CommandRow>> SqliteTransaction::FindCommand(const CommandId& id) {
  RETURN_IF_ERROR(CheckReadable());
  SqliteQuery query = connection_.Query(kCommand);
  query.Bind(id);
  CommandRow row;
  return IfFound(ReadOne(query, row.command, row.node, row.host), row);
}

Result<std::optional<TokenRow>> SqliteTransaction::FindToken(std::string_view id_or_name) {
  RETURN_IF_ERROR(CheckReadable());
  TokenRow row;
  return IfFound(ReadByIdOrName<TokenId>(connection_, kTokenById, kTokenByName, id_or_name,
                                         row.token, row.org, row.host),
                 row);
}

Result<std::string> SqliteTransaction::ImageName(const ImageId& id) {
  ASSIGN_OR_RETURN(std::shared_ptr<const Image> image, images_.Get(connection_, id));
  return image == nullptr ? id.ToString() : image->Reference();
}

}  // namespace tallyman
