#include "store/postgres/constraint.h"

#include <fmt/core.h>

#include "base/reasons.h"
#include "base/text.h"
#include "store/refusals.h"

namespace tallyman::store::postgres {
namespace {

// A unique key of the schema, and the error when it is taken.
struct UniqueKey {
  std::string_view constraint;
  std::string_view kind;
  std::string_view reason;
  std::string_view advice;
};

constexpr UniqueKey kUniqueKeys[] = {
    {"orgs_name", "org", "ORG_NAME_TAKEN", "choose another name"},
    {"regions_name", "region", "REGION_NAME_TAKEN", "choose another name"},
    {"protocols_name", "protocol", "PROTOCOL_NAME_TAKEN", "choose another key"},
    {"versions_name", "version", "VERSION_NAME_TAKEN", "publish another version"},
    {"images_build", "image", "IMAGE_BUILD_TAKEN",
     "another request published a build first: try again"},
    {"hosts_name", "host", "HOST_NAME_TAKEN", "choose another name"},
    {"nodes_name", "node", "NODE_NAME_TAKEN",
     "choose another name, or delete the node that has it"},
    {"tokens_name", "token", kTokenNameTaken,
     "choose another name, or revoke the token that has it"},
    {"rollouts_name", "rollout", "ROLLOUT_NAME_TAKEN", "choose another name"},
    {"rollout_nodes_open", "rollout of node", "ROLLOUT_OVERLAPS",
     "another rollout took the node in the meantime: see `tallyman rollout list`"},
    {"rollouts_policy", "rollout of upgrade policy", "POLICY_HAS_ROLLOUT",
     "another server made it in the meantime"},
    {"upgrade_policies_name", "upgrade policy", "POLICY_NAME_TAKEN", "choose another name"},
    {"upgrade_policies_scope", "upgrade policy", "POLICY_EXISTS",
     "one policy of an org has a protocol and variant: see `tallyman policy list`"},
    {"requests_pkey", "request", kRequestRaced,
     "the same request was answered in the meantime: send it again to get that answer"},
};

// The key in "Key (name)=(eth-1) already exists.": the text in the last pair of parentheses, which
// does not depend on the language of the message.
std::string_view KeyIn(std::string_view detail) {
  const size_t from = detail.find(")=(");
  const size_t to = detail.rfind(')');
  if (from == std::string_view::npos || to < from + 3) return {};
  return detail.substr(from + 3, to - from - 3);
}

}  // namespace

Error ExplainConstraint(const PgFailure& failure, Error error) {
  if (error.reason != kConstraintFailed) return error;
  for (const UniqueKey& key : kUniqueKeys) {
    if (failure.sqlstate != "23505" || key.constraint != failure.constraint) continue;
    const std::string subject = fmt::format("{} {}", key.kind, Quote(KeyIn(failure.detail)));
    return AlreadyExists(std::string(key.reason),
                         fmt::format("{} exists already: {}", subject, key.advice))
        .About(subject);
  }
  const std::string detail = failure.detail.empty() ? "" : fmt::format(" ({})", failure.detail);
  error.message = fmt::format("the database refused a row of {}: {}{}; nothing was written",
                              failure.table, failure.message, detail);
  return std::move(error)
      .About(fmt::format("table {}", failure.table))
      .With("constraint", failure.constraint);
}

}  // namespace tallyman::store::postgres
