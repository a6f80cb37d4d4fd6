// What hosts report, and what they can be given.
#pragma once

#include "store/sqlite/image_cache.h"
#include "store/store.h"

namespace tallyman {

// The parts of a snapshot that only reports ask for. REQUIRES: its nodes are read.
Status ReadForReports(SqliteConnection& connection, ImageCache& images, const LockSet& wanted,
                      Snapshot& snapshot);

Status WriteReport(SqliteConnection& connection, const HostReport& report);
Status WriteReport(SqliteConnection& connection, const StatusReport& report);
Status WriteIncidents(SqliteConnection& connection, const NodeIncidents& incidents);
Status WriteJoined(SqliteConnection& connection, const HostId& host);

}  // namespace tallyman
