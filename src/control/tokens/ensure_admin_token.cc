#include "control/read_once.h"
#include "control/run_internal.h"
#include "control/tokens/token_writer.h"
#include "store/refusals.h"

namespace tallyman::control {
namespace {

constexpr const char* kName = "admin";
constexpr const char* kTokensExist = "TOKENS_EXIST";

Result<bool> HasTokens(store::ReadTx& tx) {
  store::ListQuery query;
  query.limit = 1;
  ASSIGN_OR_RETURN(auto rows, tx.ListTokens(query));
  return !rows.empty();
}

Result<Decided<store::TokenRow>> DecideFirst(const planner::Cause& cause,
                                             const store::TokenRow& row, store::ReadTx& tx) {
  ASSIGN_OR_RETURN(bool has_tokens, HasTokens(tx));
  if (has_tokens) return Fail(FailedPrecondition(kTokensExist, "the database has tokens already"));
  Decided<store::TokenRow> decision;
  decision.answer = row;
  decision.rows.new_tokens = {row.token};
  decision.rows.events = {TokenEvent(cause, EventKind::kTokenCreated, row.token)};
  return decision;
}

// Two servers that begin at once: the other one's came first.
bool CameSecond(const Error& error) {
  return error.reason == kTokensExist || error.reason == store::kTokenNameTaken;
}

}  // namespace

Result<bool> EnsureAdminToken(Control& control, SecretKeeper& keeper) {
  ASSIGN_OR_RETURN(bool has_tokens, ReadOnce(control, HasTokens));
  if (has_tokens) return false;
  bool kept = false;
  auto make = [&](const Authorized& by,
                  const std::string& name) -> Result<Proposal<store::TokenRow>> {
    const planner::Cause cause = by.cause();
    ASSIGN_OR_RETURN(MadeToken made, NewToken(control, cause, name, Role::kAdmin));
    RETURN_IF_ERROR(keeper.Keep(made.text));
    kept = true;
    auto decide = [cause, row = std::move(made.row)](const Authorized&, const store::Snapshot&,
                                                     store::ReadTx& tx) {
      return DecideFirst(cause, row, tx);
    };
    return Proposal<store::TokenRow>{.solo = true, .decide = std::move(decide)};
  };
  Status done = RunInternal(control, "internal/EnsureAdminToken", make, kName);
  if (done) return true;
  if (kept) keeper.Forget();
  if (kept && CameSecond(done.error())) return false;
  return Fail(std::move(done).error());
}

}  // namespace tallyman::control
