#include "store/sqlite/image_cache.h"

#include <mutex>

#include "model/config.h"
#include "store/sqlite/rows.h"

namespace tallyman::store::sqlite {

using tallyman::sqlite::SqliteQuery;

namespace {

constexpr char kImage[] =
    "SELECT " TALLYMAN_IMAGE_COLUMNS("i.") ", i.firewall_rules, " TALLYMAN_PROTOCOL_COLUMNS("p.")
    ", " TALLYMAN_VERSION_COLUMNS("v.")
    " FROM images i JOIN protocol_versions v ON v.id = i.protocol_version_id "
    "JOIN protocols p ON p.id = v.protocol_id WHERE i.id = ?";
constexpr char kProperties[] = "SELECT " TALLYMAN_PROPERTY_COLUMNS(
    "") " FROM image_properties WHERE image_id = ? ORDER BY key";

Result<std::shared_ptr<const Image>> Load(SqliteConnection& connection, const ImageId& id) {
  auto image = std::make_shared<Image>();
  SqliteQuery query = connection.Query(kImage);
  query.Bind(id);
  ASSIGN_OR_RETURN(bool found, query.Next());
  if (!found) return std::shared_ptr<const Image>();
  std::string rules;
  RETURN_IF_ERROR(query.Read(*image, rules, image->protocol, image->version));
  ASSIGN_OR_RETURN(image->firewall_rules, FirewallRulesFromJson(rules));
  SqliteQuery properties = connection.Query(kProperties);
  properties.Bind(id);
  while (true) {
    ASSIGN_OR_RETURN(bool more, properties.Next());
    if (!more) return image;
    RETURN_IF_ERROR(properties.Read(image->properties.emplace_back()));
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

}  // namespace tallyman::store::sqlite
