// The most that an org's nodes may take. What runs is never touched, not even where it takes more.
#include <fmt/core.h>

#include <algorithm>

#include "base/text.h"
#include "control/inventory/inventory.h"
#include "control/lots/decide.h"
#include "control/new_event.h"
#include "control/read_once.h"
#include "control/reads/resolve.h"

namespace tallyman::control {
namespace {

Error BadLimit(std::string_view field, std::string value, std::string_view what) {
  return InvalidArgument("INVALID_QUOTA", fmt::format("{} is {}: {}", field, value, what))
      .With("field", std::string(field))
      .With("value", std::move(value));
}

Status CheckSetQuota(const SetQuotaRequest& request) {
  if (!request.set.IsSet() && request.reset.empty()) {
    return Fail(
        InvalidArgument("NOTHING_TO_UPDATE", "the request changes nothing: set or reset a limit")
            .With("field", "set"));
  }
  for (const auto& [word, limit] : kQuotaLimits) {
    const std::optional<int64_t> value = request.set.*limit;
    if (value && *value < 0) {
      return Fail(BadLimit(fmt::format("set.{}", word), std::to_string(*value),
                           "use 0 or more, or reset it for no limit"));
    }
  }
  for (const std::string& word : request.reset) {
    const auto* found = std::ranges::find(kQuotaLimits, word, &QuotaLimit::word);
    if (found == kQuotaLimits.end()) {
      return Fail(
          BadLimit("reset", Quote(word), "use node_count, cpu_cores, memory_bytes or disk_bytes"));
    }
    if (request.set.*found->limit) {
      return Fail(BadLimit("reset", Quote(word), "the same request sets it: do one of both"));
    }
  }
  return {};
}

std::string DetailOf(const Org& org) {
  const auto text = [](const std::optional<int64_t>& limit) {
    return limit ? std::to_string(*limit) : std::string("none");
  };
  return Detail({{"org", org.name},
                 {"node_count", text(org.quota.node_count)},
                 {"cpu_cores", text(org.quota.cpu_cores)},
                 {"memory_bytes", text(org.quota.memory_bytes)},
                 {"disk_bytes", text(org.quota.disk_bytes)}});
}

Result<Decided<QuotaChange>> DecideQuota(const Authorized& by, const OrgId& id,
                                         const SetQuotaRequest& request,
                                         const store::Snapshot& snapshot, store::ReadTx& tx) {
  ASSIGN_OR_RETURN(const Org* org, RequireRow(snapshot.orgs, "org", id));
  Decided<QuotaChange> decision;
  QuotaChange& change = decision.answer;
  change.org = *org;
  change.before = org->quota;
  ASSIGN_OR_RETURN(const HostSums sums, tx.OrgUsage(id));
  ASSIGN_OR_RETURN(change.taken, sums.Taken());
  for (const auto& [word, limit] : kQuotaLimits) {
    std::optional<int64_t>& value = change.org.quota.*limit;
    if (request.set.*limit) value = request.set.*limit;
    if (std::ranges::find(request.reset, word) != request.reset.end()) value.reset();
  }
  decision.rows.quota_updates = {{id, change.org.quota}};
  Event event = NewEvent(by.cause(), EventKind::kOrgQuotaSet, DetailOf(change.org));
  event.org_id = id;
  decision.rows.events = {std::move(event)};
  return decision;
}

}  // namespace

Result<Proposal<QuotaChange>> SetQuota(const Authorized& by, const SetQuotaRequest& request) {
  RETURN_IF_ERROR(CheckSetQuota(request));
  ASSIGN_OR_RETURN(const Org org, ReadOnce(by.control(), [&](store::ReadTx& tx) {
                     return ResolveOrg(tx, by.actor(), request.org);
                   }));
  Proposal<QuotaChange> proposal{.solo = true};
  proposal.locks.orgs = {org.id};
  proposal.locks.changes_quotas = true;
  proposal.decide = [request, id = org.id](const Authorized& as, const store::Snapshot& snapshot,
                                           store::ReadTx& tx) {
    return DecideQuota(as, id, request, snapshot, tx);
  };
  return proposal;
}

}  // namespace tallyman::control
