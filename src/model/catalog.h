// The rows that rarely change: orgs, regions, protocols and their versions. Plain values.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "model/ids.h"
#include "model/quota.h"

namespace tallyman {

// A tenant.
struct Org {
  OrgId id;
  std::string name;
  Time created_at;
  Quota quota = {};
};

struct Region {
  RegionId id;
  std::string name;
  Time created_at;
};

// A product, such as ethereum. `org_id` empty: everyone sees it; else only that org.
struct Protocol {
  ProtocolId id;
  std::string key;
  std::string name;
  std::optional<OrgId> org_id;
  Time created_at;
};

// A variant of a protocol at a semantic version.
struct ProtocolVersion {
  ProtocolVersionId id;
  ProtocolId protocol_id;
  std::string variant;
  std::string semantic_version;
  std::optional<OrgId> org_id;
  Time created_at;
};

}  // namespace tallyman
