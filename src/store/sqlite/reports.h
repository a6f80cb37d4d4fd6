// What hosts report, and which commands can be handed out to them.
#pragma once

#include "store/sqlite/image_cache.h"
#include "store/store.h"

namespace tallyman::store::sqlite {

// The parts of a snapshot that only reports need. REQUIRES: its nodes were read.
Status ReadForReports(SqliteConnection& connection, ImageCache& images, const LockSet& wanted,
                      Snapshot& snapshot);

Status WriteReport(SqliteConnection& connection, const HostReport& report);
Status WriteReport(SqliteConnection& connection, const StatusReport& report);
Status WriteIncidents(SqliteConnection& connection, const NodeIncidents& incidents);
Status WriteJoined(SqliteConnection& connection, const HostId& host);

}  // namespace tallyman::store::sqlite
