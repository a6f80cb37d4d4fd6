#include "control/lots/decide.h"

#include "control/lots/quotas.h"

namespace tallyman::control {
namespace {

std::unexpected<Error> Failed(const Mutation& mutation, Error error, Log& log) {
  log.Write({LogLevel::kError,
             "decision_failed",
             mutation.call.method + ": " + error.message,
             {{"method", mutation.call.method}, {"request_id", mutation.call.request_id}}});
  return Fail(std::move(error).With("request_id", mutation.call.request_id));
}

}  // namespace

Result<Decision> Decide(const Mutation& mutation, const store::Snapshot& snapshot,
                        store::ReadTx& tx, Log& log) {
  try {
    Result<Decision> decided = mutation.decide(snapshot, tx);
    if (decided && mutation.locks.with_quotas) {
      if (Status fits = CheckQuotas(snapshot, decided->rows); !fits) return Fail(fits.error());
    }
    if (decided || decided.error().reason != kRowMissing) return decided;
    return Failed(mutation, std::move(decided).error(), log);
  } catch (const std::exception& e) {
    return Failed(mutation, FaultOfServer("DECISION_FAILED", e), log);
  }
}

Error FaultOfServer(std::string reason, const std::exception& e) {
  return Internal(
      std::move(reason),
      fmt::format("internal error of the server: {}; nothing was changed, see its log", e.what()));
}

Error RowMissing(std::string_view kind, std::string_view id) {
  return DataLoss(std::string(kRowMissing),
                  fmt::format("{} {} is missing in the database although other rows refer to it: "
                              "`tallyman audit` looks for what else is wrong",
                              kind, id));
}

}  // namespace tallyman::control
