#include "store/sqlite/constraint.h"

#include <fmt/core.h>

#include "base/reasons.h"
#include "store/refusals.h"

namespace tallyman::store::sqlite {
namespace {

// A unique key as SQLite names it, and the error when it is taken.
struct UniqueKey {
  std::string_view columns;
  std::string_view reason;
  std::string_view advice;
};

constexpr UniqueKey kUniqueKeys[] = {
    {"orgs.name", "ORG_NAME_TAKEN", "choose another name"},
    {"regions.name", "REGION_NAME_TAKEN", "choose another name"},
    {"protocols.key", "PROTOCOL_NAME_TAKEN", "choose another key"},
    {"protocol_versions.protocol_id", "VERSION_NAME_TAKEN", "publish another version"},
    {"images.protocol_version_id", "IMAGE_BUILD_TAKEN",
     "another request published a build first: try again"},
    {"hosts.name", "HOST_NAME_TAKEN", "choose another name"},
    {"nodes.name", "NODE_NAME_TAKEN", "choose another name, or delete the node that has it"},
    {"tokens.name", kTokenNameTaken, "choose another name, or revoke the token that has it"},
    {"rollouts.name", "ROLLOUT_NAME_TAKEN", "choose another name"},
    {"rollouts.policy_id", "POLICY_HAS_ROLLOUT", "another server made it in the meantime"},
    {"upgrade_policies.name", "POLICY_NAME_TAKEN", "choose another name"},
    {"upgrade_policies.org_id", "POLICY_EXISTS",
     "one policy of an org has a protocol and variant: see `tallyman policy list`"},
    {"rollout_nodes.node_id", "ROLLOUT_OVERLAPS",
     "another rollout took the node in the meantime: see `tallyman rollout list`"},
    {"requests.org_id", kRequestRaced,
     "the same request was answered in the meantime: send it again to get that answer"},
};

constexpr std::string_view kUniqueFailed = "UNIQUE constraint failed: ";

}  // namespace

Error ExplainConstraint(Error error, std::string_view subject) {
  if (error.reason != kConstraintFailed) return error;
  std::string message(error.Fact("sqlite_message"));
  if (message.starts_with(kUniqueFailed)) {
    std::string_view columns = std::string_view(message).substr(kUniqueFailed.size());
    for (const UniqueKey& key : kUniqueKeys) {
      if (!columns.starts_with(key.columns)) continue;
      return AlreadyExists(std::string(key.reason),
                           fmt::format("{} exists already: {}", subject, key.advice))
          .About(std::string(subject));
    }
  }
  Error explained = std::move(error);
  explained.message =
      fmt::format("the database refused {}: {}; nothing was written", subject, message);
  return std::move(explained).About(std::string(subject));
}

}  // namespace tallyman::store::sqlite
