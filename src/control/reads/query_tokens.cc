// Lists for admins: tokens, and the audit trail; and for everybody, who he is.
#include "control/reads/query_tools.h"

namespace tallyman::control {

Result<Page<store::TokenRow>> ListTokens(const Authorized& by, store::ReadTx& tx,
                                         const ListRequest& request) {
  ASSIGN_OR_RETURN(store::ListQuery query,
                   PrepareList(tx, by.actor(), store::Listing::kTokens, request));
  RETURN_IF_ERROR(LimitToActor(tx, by.actor(), query));
  return ReadPage<store::TokenRow>(
      store::Listing::kTokens, request, std::move(query),
      [&](const store::ListQuery& q) { return tx.ListTokens(q); },
      [&](const store::TokenRow& row) {
        return !by.actor().org_id || row.token.org_id == by.actor().org_id;
      });
}

Result<CallerView> WhoAmI(const Authorized& by, store::ReadTx& tx, const WhoAmIRequest&) {
  CallerView view{.actor = by.actor().id, .role = by.actor().role};
  if (by.actor().token_id) {
    ASSIGN_OR_RETURN(view.token, tx.FindToken(by.actor().token_id->ToString()));
  }
  return view;
}

Result<Page<store::RequestRow>> ListRequests(const Authorized& by, store::ReadTx& tx,
                                             const ListRequest& request) {
  ASSIGN_OR_RETURN(store::ListQuery query,
                   PrepareList(tx, by.actor(), store::Listing::kRequests, request));
  RETURN_IF_ERROR(LimitToActor(tx, by.actor(), query));
  return ReadPage<store::RequestRow>(
      store::Listing::kRequests, request, std::move(query),
      [&](const store::ListQuery& q) { return tx.ListRequests(q); },
      [&](const store::RequestRow& row) {
        return !by.actor().org_id || row.record.key.org_id == *by.actor().org_id;
      });
}

}  // namespace tallyman::control
