#include <future>

#include "control/authorize.h"
#include "control/inventory_writer.h"
#include "control/read_once.h"
#include "control/token_writer.h"

namespace tallyman {
namespace {

constexpr const char* kName = "admin";
constexpr const char* kTokensExist = "TOKENS_EXIST";

Result<bool> HasTokens(ReadTx& tx) {
  ListQuery query;
  query.limit = 1;
  ASSIGN_OR_RETURN(auto rows, tx.ListTokens(query));
  return !rows.empty();
}

Result<InventoryDecision<TokenRow>> Decide(const Cause& cause, const TokenRow& row, ReadTx& tx) {
  ASSIGN_OR_RETURN(bool has_tokens, HasTokens(tx));
  if (has_tokens) return Fail(FailedPrecondition(kTokensExist, "the database has tokens already"));
  InventoryDecision<TokenRow> decision;
  decision.answer = row;
  decision.rows.new_tokens = {row.token};
  decision.rows.events = {TokenEvent(cause, EventKind::kTokenCreated, row.token)};
  return decision;
}

// Two servers that begin at once: the other one's came first.
bool CameSecond(const Error& error) {
  return error.reason == kTokensExist || error.reason == "TOKEN_NAME_TAKEN";
}

}  // namespace

Result<bool> EnsureAdminToken(Control& control, SecretKeeper& keeper) {
  ASSIGN_OR_RETURN(bool has_tokens, ReadOnce<bool>(control, HasTokens));
  if (has_tokens) return false;
  Call call{.actor = {.id = "server", .org_id = {}, .role = Role::kAdmin},
            .method = "internal/EnsureAdminToken",
            .request_id = {},
            .body_digest = {},
            .address = {},
            .deadline = {},
            .cancelled = {}};
  RETURN_IF_ERROR(Authorize(call));
  RETURN_IF_ERROR(control.Begin(call));
  const Cause cause = control.CauseOf(call);
  ASSIGN_OR_RETURN(const MadeToken made, NewToken(control, cause, kName, Role::kAdmin));
  RETURN_IF_ERROR(keeper.Keep(made.text));
  std::promise<Result<std::string>> promise;
  DecideInventory<TokenRow> decide = [cause, row = made.row](const Snapshot&, ReadTx& tx) {
    return Decide(cause, row, tx);
  };
  RunInventory<TokenRow>(
      control, std::move(call), {}, false, std::move(decide),
      [](const TokenRow&) { return std::string(); },
      [&promise](Result<std::string> answer) { promise.set_value(std::move(answer)); });
  Result<std::string> answer = promise.get_future().get();
  if (answer) return true;
  keeper.Forget();
  if (CameSecond(answer.error())) return false;
  return Fail(answer.error());
}

}  // namespace tallyman
