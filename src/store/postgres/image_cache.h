// Images by id, shared by all connections of a store: an image never changes once it is committed.
//
// Thread-safe. Only what a transaction read before it wrote is put in, so nothing uncommitted gets
// here. Grows with the catalogue, which is small beside the fleet.
#pragma once

#include <memory>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "model/image.h"
#include "store/postgres/connection.h"

namespace tallyman {

using ImagePointer = std::shared_ptr<const Image>;

class PgImageCache {
 public:
  // Null: it has not been read yet.
  ImagePointer Find(const ImageId& id) const;
  // Of these, the ones that have not been read yet, each once.
  std::vector<ImageId> Missing(std::vector<ImageId> ids) const;

  // Reading is two statements of a batch, whose results Take() puts in.
  static constexpr size_t kStatements = 2;
  static void AddTo(PgBatch& batch, const std::vector<ImageId>& ids);
  Status Take(const PgResult& images, const PgResult& properties);

 private:
  mutable std::shared_mutex mutex_;
  std::unordered_map<ImageId, ImagePointer> images_;
};

}  // namespace tallyman
