// What a decision reads, from one connection's transaction.
#pragma once

#include "store/sqlite/image_cache.h"
#include "store/store.h"

namespace tallyman::store::sqlite {

// Under BEGIN IMMEDIATE the whole database is locked, so the order of the reads does not matter.
Result<Snapshot> ReadSnapshot(SqliteConnection& connection, ImageCache& images,
                              const LockSet& wanted);

// Transitions that still count, by seq: pending ones, and failed ones until a later transition of
// the node settled or reverted.
Result<std::vector<Transition>> ReadTransitions(SqliteConnection& connection, const NodeId& node);

}  // namespace tallyman::store::sqlite
