// Images by id, shared by all connections of a store: an image never changes once it is committed.
//
// Thread-safe. A transaction adds only what it read before it wrote, so the cache never holds
// uncommitted images. It grows with the catalogue, which is small compared with the fleet.
#pragma once

#include <memory>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "model/image.h"
#include "store/postgres/connection.h"

namespace tallyman::store::postgres {

using ImagePointer = std::shared_ptr<const Image>;

class PgImageCache {
 public:
  // Null: not read yet.
  ImagePointer Find(const ImageId& id) const;
  // Those of `ids` that have not been read yet, each once.
  std::vector<ImageId> Missing(std::vector<ImageId> ids) const;

  // Two statements of a batch read images; Take() stores their results.
  static constexpr size_t kStatements = 2;
  static void AddTo(PgBatch& batch, const std::vector<ImageId>& ids);
  Status Take(const PgResult& images, const PgResult& properties);

 private:
  mutable std::shared_mutex mutex_;
  std::unordered_map<ImageId, ImagePointer> images_;
};

}  // namespace tallyman::store::postgres
