#include "planner/books_plan.h"

#include <fmt/core.h>

#include "planner/audit.h"

namespace tallyman::planner {
namespace {

Error Suspected(const std::string& what) {
  return FailedPrecondition(kDriftSuspected, what + " does not add up");
}

Drift AboutHost(const Host& host, DriftKind kind) {
  Drift drift;
  drift.kind = kind;
  drift.host_id = host.id;
  drift.host_name = host.name;
  return drift;
}

Error Drifted(const Host& host, const std::vector<Drift>& drifts) {
  const Drift& first = drifts.front();
  return FailedPrecondition(
             "HOST_BOOKS_DRIFTED",
             fmt::format("the books of host {} are wrong ({} of {}: stored {}, true {}; {} in "
                         "all): see `tallyman audit "
                         "--host {}`, then repair with `tallyman audit --host {} --repair --yes`",
                         host.name, first.dimension,
                         first.node_name.empty() ? "the host" : first.node_name, first.stored,
                         first.true_value, drifts.size(), host.name, host.name))
      .About("host " + host.name)
      .With("dimension", first.dimension)
      .With("stored", std::to_string(first.stored))
      .With("true", std::to_string(first.true_value));
}

// The sums over the host's nodes after the fields of the request's nodes are set from their
// configs.
Result<std::optional<HostSums>> TrueSums(const HostSnapshot& host,
                                         std::span<const NodeSnapshot* const> nodes) {
  std::optional<HostSums> sums = host.sums;
  if (!sums) return sums;
  for (const NodeSnapshot* node : nodes) {
    if (node->node.host_id != host.host.id || !node->node.IsLive()) continue;
    ASSIGN_OR_RETURN(Resources others, Subtract(sums->books.allocated, node->node.resources));
    ASSIGN_OR_RETURN(sums->books.allocated, Add(others, BooksPlan::ChargedBy(*node)));
  }
  return sums;
}

const Books& LedgerBalanceOf(const HostSnapshot& host) {
  return host.ledger_balance ? *host.ledger_balance : host.host.books;
}

}  // namespace

Resources BooksPlan::ChargedBy(const NodeSnapshot& node) {
  return node.config ? node.config->resources : node.node.resources;
}

Result<BooksPlan> BooksPlan::Begin(std::span<const HostSnapshot* const> hosts,
                                   std::span<const NodeSnapshot* const> nodes,
                                   const Policies& policies, const Cause& cause) {
  BooksPlan plan(policies, cause);
  for (const HostSnapshot* host : hosts) RETURN_IF_ERROR(plan.Open(*host, nodes));
  return plan;
}

std::vector<Drift> FindDrift(const HostSnapshot& host, std::span<const NodeSnapshot* const> nodes) {
  std::vector<Drift> drifts;
  for (const NodeSnapshot* node : nodes) {
    if (node->node.host_id != host.host.id) continue;
    Drift common = AboutHost(host.host, DriftKind::kNodeFields);
    common.node_id = node->node.id;
    common.node_name = node->node.name;
    AppendDifferences(drifts, common, node->node.resources, BooksPlan::ChargedBy(*node));
  }
  if (auto sums = TrueSums(host, nodes); sums && *sums) {
    const HostSums& truth = **sums;
    AppendDifferences(drifts, AboutHost(host.host, DriftKind::kHostBooks), host.host.books,
                      truth.books);
    AppendDifferences(drifts, AboutHost(host.host, DriftKind::kHostHold), host.host.held,
                      truth.held);
    AppendDifferences(drifts, AboutHost(host.host, DriftKind::kLedger), LedgerBalanceOf(host),
                      truth.books);
  }
  return drifts;
}

Status BooksPlan::Open(const HostSnapshot& host, std::span<const NodeSnapshot* const> nodes) {
  HostChange change{.stored = host.host,
                    .before = host.host,
                    .after = host.host,
                    .drifts = FindDrift(host, nodes)};
  ASSIGN_OR_RETURN(std::optional<HostSums> sums, TrueSums(host, nodes));
  sums_known_ = sums_known_ && sums.has_value();
  if (!change.drifts.empty()) {
    if (!sums) return Fail(Suspected("a node of host " + host.host.name));
    RETURN_IF_ERROR(Settle(change, *sums, LedgerBalanceOf(host)));
  }
  hosts_.emplace(host.host.id, std::move(change));
  return {};
}

Status BooksPlan::Settle(HostChange& change, const HostSums& sums, const Books& ledger_balance) {
  if (policies_.drift == DriftPolicy::kAbort) return Fail(Drifted(change.stored, change.drifts));
  change.before.books = sums.books;
  change.before.held = sums.held;
  change.after.books = sums.books;
  change.after.held = sums.held;
  ASSIGN_OR_RETURN(Books delta, Subtract(sums.books, ledger_balance));
  LedgerEntry& entry = Append(change, LedgerKind::kDriftCorrection);
  entry.delta = delta;
  entry.corrections = change.drifts;
  return {};
}

void BooksPlan::Touch(HostChange& change) {
  change.after.version = change.stored.version + 1;
  change.after.updated_at = cause_.now;
}

// A counter that is certainly wrong must not cause a refusal before the sums were read.
Error BooksPlan::Impossible(const Host& host, Error error) const {
  if (!sums_known_) return Suspected("host " + host.name);
  return std::move(error).About("host " + host.name);
}

// The entry's balance is the books after the change: change them first.
LedgerEntry& BooksPlan::Append(HostChange& change, LedgerKind kind) {
  Touch(change);
  LedgerEntry& entry = ledger_.emplace_back();
  entry.host_id = change.after.id;
  entry.seq = ++change.after.ledger_seq;
  entry.kind = kind;
  entry.balance = change.after.books;
  entry.request_id = cause_.request_id;
  entry.actor_id = cause_.actor_id;
  entry.created_at = cause_.now;
  return entry;
}

Status BooksPlan::Move(const BooksMove& move) {
  HostChange& change = hosts_.at(move.host_id);
  Host& host = change.after;
  auto compute = [&]() -> Status {
    ASSIGN_OR_RETURN(Books without, Subtract(host.books, move.before));
    ASSIGN_OR_RETURN(Resources held_without, Subtract(host.held, move.held_before));
    if (without.AnyNegative() || held_without.AnyNegative()) {
      return Fail(Internal("BOOKS_NEGATIVE",
                           fmt::format("the books of host {} would go below zero", host.name)));
    }
    ASSIGN_OR_RETURN(host.books, Add(without, move.after));
    ASSIGN_OR_RETURN(host.held, Add(held_without, move.held_after));
    return {};
  };
  if (Status status = compute(); !status) return Fail(Impossible(host, std::move(status.error())));
  ASSIGN_OR_RETURN(Books delta, Subtract(move.after, move.before));
  LedgerEntry& entry = Append(change, move.kind);
  entry.node_id = move.node_id;
  entry.delta = delta;
  return {};
}

Status BooksPlan::SetHold(const HostId& id, const Resources& before, const Resources& after) {
  if (before == after) return {};
  HostChange& change = hosts_.at(id);
  auto without = Subtract(change.after.held, before);
  if (without && without->AnyNegative()) {
    without =
        Fail(Internal("BOOKS_NEGATIVE",
                      fmt::format("the holds of host {} would go below zero", change.after.name)));
  }
  auto held = without ? Add(*without, after) : without;
  if (!held) return Fail(Impossible(change.after, std::move(held.error())));
  change.after.held = *held;
  Touch(change);
  return {};
}

Status BooksPlan::CheckCapacity() {
  for (auto& [id, change] : hosts_) {
    CapacityPolicy policy = change.stored.capacity_policy.value_or(policies_.capacity);
    auto before = Add(change.before.books.allocated, change.before.held);
    auto after = Add(change.after.books.allocated, change.after.held);
    if (!before || !after) {
      return Fail(Impossible(change.after, std::move(before ? after.error() : before.error())));
    }
    for (Dimension d : kDimensions) {
      int64_t capacity = change.after.capacity.get(d);
      int64_t growth = after->get(d) - before->get(d);
      if (growth <= 0 || after->get(d) <= capacity) continue;
      int64_t free = capacity - before->get(d);
      std::string message = fmt::format("host {} has {} of {} free and would need {} more",
                                        change.after.name, free, ToText(d), growth);
      if (policy == CapacityPolicy::kEnforce) {
        return Fail(
            Error(Code::kResourceExhausted, kHostCapacityExceeded,
                  message +
                      ": choose another image, free some of it, or set the host's policy to warn")
                .About("host " + change.after.name)
                .With("dimension", std::string(ToText(d)))
                .With("need", std::to_string(growth))
                .With("free", std::to_string(free)));
      }
      warnings_.push_back(
          {"OVER_CAPACITY", std::move(message), id, change.after.name, std::string(ToText(d))});
    }
  }
  return {};
}

std::vector<Drift> BooksPlan::drifts() const {
  std::vector<Drift> all;
  for (const auto& [id, change] : hosts_)
    all.insert(all.end(), change.drifts.begin(), change.drifts.end());
  return all;
}

}  // namespace tallyman::planner
