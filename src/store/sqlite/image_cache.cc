#include "store/sqlite/image_cache.h"

#include <mutex>

#include "model/config.h"
#include "store/sqlite/rows.h"

namespace tallyman {
namespace {

constexpr char kImage[] =
    "SELECT i.id, i.build, i.org_id, i.uri, i.cpu_cores, i.memory_bytes, i.disk_bytes, "
    "i.committed_at, i.created_at, i.firewall_rules, " TALLYMAN_PROTOCOL_COLUMNS
    ", " TALLYMAN_VERSION_COLUMNS
    " FROM images i JOIN protocol_versions v ON v.id = i.protocol_version_id "
    "JOIN protocols p ON p.id = v.protocol_id WHERE i.id = ?";
constexpr char kProperties[] =
    "SELECT key, description, default_value, add_cpu_cores, add_memory_bytes, add_disk_bytes "
    "FROM image_properties WHERE image_id = ? ORDER BY key";

Result<std::shared_ptr<const Image>> Load(SqliteConnection& connection, const ImageId& id) {
  auto image = std::make_shared<Image>();
  SqliteQuery query = connection.Query(kImage);
  query.Bind(id);
  ASSIGN_OR_RETURN(bool found, query.Next());
  if (!found) return std::shared_ptr<const Image>();
  std::string rules;
  RETURN_IF_ERROR(query.Read(image->id, image->build, image->org_id, image->uri, image->minimum,
                             image->committed_at, image->created_at, rules, image->protocol,
                             image->version));
  ASSIGN_OR_RETURN(image->firewall_rules, FirewallRulesFromJson(rules));
  SqliteQuery properties = connection.Query(kProperties);
  properties.Bind(id);
  while (true) {
    ASSIGN_OR_RETURN(bool more, properties.Next());
    if (!more) return image;
    Property& property = image->properties.emplace_back();
    RETURN_IF_ERROR(
        properties.Read(property.key, property.description, property.default_value, property.add));
  }
}

}  // namespace

Result<std::shared_ptr<const Image>> ImageCache::Get(SqliteConnection& connection,
                                                     const ImageId& id) {
  {
    std::shared_lock lock(mutex_);
    if (auto it = images_.find(id); it != images_.end()) return it->second;
  }
  ASSIGN_OR_RETURN(std::shared_ptr<const Image> image, Load(connection, id));
  if (image != nullptr) {
    std::unique_lock lock(mutex_);
    images_.emplace(id, image);
  }
  return image;
}

}  // namespace tallyman
