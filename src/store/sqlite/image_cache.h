// Images by id, shared by all connections of a store: an image never changes once it is committed.
//
// Thread-safe. A transaction adds only what it read before it wrote, so the cache never holds
// uncommitted images. It grows with the catalogue, which is small compared with the fleet.
#pragma once

#include <memory>
#include <shared_mutex>
#include <unordered_map>

#include "model/image.h"
#include "sqlite/connection.h"

namespace tallyman::store::sqlite {

using tallyman::sqlite::SqliteConnection;

class ImageCache {
 public:
  // Null: there is no such image.
  Result<std::shared_ptr<const Image>> Get(SqliteConnection& connection, const ImageId& id);

 private:
  std::shared_mutex mutex_;
  std::unordered_map<ImageId, std::shared_ptr<const Image>> images_;
};

}  // namespace tallyman::store::sqlite
