// Images by id, shared by all connections of a store: an image never changes once it is committed.
//
// Thread-safe. Only what a transaction read before it wrote is put in, so nothing uncommitted gets
// here. Grows with the catalogue, which is small beside the fleet.
#pragma once

#include <memory>
#include <shared_mutex>
#include <unordered_map>

#include "model/image.h"
#include "sqlite/connection.h"

namespace tallyman {

class ImageCache {
 public:
  // Null: there is no such image.
  Result<std::shared_ptr<const Image>> Get(SqliteConnection& connection, const ImageId& id);

 private:
  std::shared_mutex mutex_;
  std::unordered_map<ImageId, std::shared_ptr<const Image>> images_;
};

}  // namespace tallyman
