#include "store/postgres/image_cache.h"

#include <mutex>

#include "base/sorted_unique.h"
#include "model/config.h"
#include "store/postgres/rows.h"

namespace tallyman::store::postgres {
namespace {

constexpr char kImages[] =
    "SELECT " TALLYMAN_IMAGE_COLUMNS("i.") ", i.firewall_rules, " TALLYMAN_PROTOCOL_COLUMNS("p.")
    ", " TALLYMAN_VERSION_COLUMNS("v.")
    " FROM images i JOIN protocol_versions v ON v.id = i.protocol_version_id "
    "JOIN protocols p ON p.id = v.protocol_id WHERE i.id = ANY ($1)";
constexpr char kProperties[] = "SELECT image_id, " TALLYMAN_PROPERTY_COLUMNS(
    "") " FROM image_properties WHERE image_id = ANY ($1) ORDER BY image_id, key";

}  // namespace

ImagePointer PgImageCache::Find(const ImageId& id) const {
  std::shared_lock lock(mutex_);
  auto found = images_.find(id);
  return found == images_.end() ? nullptr : found->second;
}

std::vector<ImageId> PgImageCache::Missing(std::vector<ImageId> ids) const {
  ids = SortedUnique(std::move(ids));
  std::shared_lock lock(mutex_);
  std::erase_if(ids, [&](const ImageId& id) { return images_.contains(id); });
  return ids;
}

void PgImageCache::AddTo(PgBatch& batch, const std::vector<ImageId>& ids) {
  PgParams params;
  params.AddList(ids);
  batch.Add(kImages, params);
  batch.Add(kProperties, std::move(params));
}

Status PgImageCache::Take(const PgResult& images, const PgResult& properties) {
  std::unordered_map<ImageId, std::shared_ptr<Image>> read;
  for (int i = 0; i < images.rows(); ++i) {
    auto image = std::make_shared<Image>();
    std::string rules;
    RETURN_IF_ERROR(images.row(i).Read(*image, rules, image->protocol, image->version));
    ASSIGN_OR_RETURN(image->firewall_rules, FirewallRulesFromJson(rules));
    read.emplace(image->id, std::move(image));
  }
  for (int i = 0; i < properties.rows(); ++i) {
    ImageId id;
    Property property;
    RETURN_IF_ERROR(properties.row(i).Read(id, property));
    if (auto image = read.find(id); image != read.end()) {
      image->second->properties.push_back(std::move(property));
    }
  }
  std::unique_lock lock(mutex_);
  images_.insert(read.begin(), read.end());
  return {};
}

}  // namespace tallyman::store::postgres
