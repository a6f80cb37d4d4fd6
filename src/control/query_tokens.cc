// Lists for admins: tokens, and the audit trail.
#include "control/query_tools.h"
#include "control/tokens.h"

namespace tallyman {

Result<Page<TokenRow>> ListTokens(Control& control, const Call& call, const ListRequest& request) {
  return Query<Page<TokenRow>>(control, call, [&](ReadTx& tx) -> Result<Page<TokenRow>> {
    ASSIGN_OR_RETURN(ListQuery query, PrepareList(tx, call.actor, Listing::kTokens, request));
    RETURN_IF_ERROR(LimitToActor(tx, call.actor, query));
    return ReadPage<TokenRow>(
        Listing::kTokens, request, std::move(query),
        [&](const ListQuery& q) { return tx.ListTokens(q); },
        [&](const TokenRow& row) {
          return !call.actor.org_id || row.token.org_id == call.actor.org_id;
        });
  });
}

Result<Page<RequestRow>> ListRequests(Control& control, const Call& call,
                                      const ListRequest& request) {
  return Query<Page<RequestRow>>(control, call, [&](ReadTx& tx) -> Result<Page<RequestRow>> {
    ASSIGN_OR_RETURN(ListQuery query, PrepareList(tx, call.actor, Listing::kRequests, request));
    RETURN_IF_ERROR(LimitToActor(tx, call.actor, query));
    return ReadPage<RequestRow>(
        Listing::kRequests, request, std::move(query),
        [&](const ListQuery& q) { return tx.ListRequests(q); },
        [&](const RequestRow& row) {
          return !call.actor.org_id || row.record.key.org_id == *call.actor.org_id;
        });
  });
}

}  // namespace tallyman
