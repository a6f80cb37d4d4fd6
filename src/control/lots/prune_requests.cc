#include "control/lots/prune_requests.h"

#include <algorithm>

namespace tallyman::control {
namespace {

constexpr double kShareOfAnHour = 0.01;
constexpr double kShareMax = 0.05;

}  // namespace

Status RequestPruner::Refill() {
  const SteadyTime now = clock_.SteadyNow();
  const std::chrono::duration<double, std::ratio<3600>> hours = now - refilled_at_.value_or(now);
  refilled_at_ = now;
  int64_t count = 0;
  RETURN_IF_ERROR(store_.Read([&](store::ReadTx& tx) -> Status {
    ASSIGN_OR_RETURN(count, tx.CountRequests());
    return {};
  }));
  const auto rows = static_cast<double>(count);
  // A small trail's share is less than a row, and still adds up to one.
  const double most = std::max(1.0, rows * kShareMax);
  allowance_ = std::min(most, allowance_ + rows * kShareOfAnHour * hours.count());
  return {};
}

Result<RequestPruner::Report> RequestPruner::Run(int pieces_max) {
  RETURN_IF_ERROR(Refill());
  const Time now = clock_.Now();
  store::PruneQuery query;
  query.answers_before = now - retention_.answers;
  query.rows_before = now - std::max(retention_.answers, retention_.trail);
  if (answers_until_ == Time()) answers_until_ = query.answers_before - std::chrono::days(7);
  Report report;
  for (int piece = 0; piece < pieces_max && !report.done; ++piece) {
    if (allowance_ < 1) {
      report.done = true;
      break;
    }
    query.limit = std::min(store::PruneQuery().limit, static_cast<int64_t>(allowance_));
    query.answers_after = answers_until_;
    store::Pruned pruned;
    RETURN_IF_ERROR(store_.Write([&](store::WriteTx& tx) -> Status {
      ASSIGN_OR_RETURN(pruned, tx.PruneRequests(query));
      return {};
    }));
    answers_until_ = std::max(answers_until_, pruned.answers_until);
    report.answers += pruned.answers;
    report.rows += pruned.rows;
    report.done = pruned.done;
    allowance_ -= static_cast<double>(std::max(pruned.answers, pruned.rows));
  }
  return report;
}

}  // namespace tallyman::control
