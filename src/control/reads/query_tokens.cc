// Lists for admins: tokens, and the audit trail.
#include "control/reads/query_tools.h"

namespace tallyman {

Result<Page<TokenRow>> ListTokens(const Authorized& by, ReadTx& tx, const ListRequest& request) {
  ASSIGN_OR_RETURN(ListQuery query, PrepareList(tx, by.actor(), Listing::kTokens, request));
  RETURN_IF_ERROR(LimitToActor(tx, by.actor(), query));
  return ReadPage<TokenRow>(
      Listing::kTokens, request, std::move(query),
      [&](const ListQuery& q) { return tx.ListTokens(q); },
      [&](const TokenRow& row) {
        return !by.actor().org_id || row.token.org_id == by.actor().org_id;
      });
}

Result<Page<RequestRow>> ListRequests(const Authorized& by, ReadTx& tx,
                                      const ListRequest& request) {
  ASSIGN_OR_RETURN(ListQuery query, PrepareList(tx, by.actor(), Listing::kRequests, request));
  RETURN_IF_ERROR(LimitToActor(tx, by.actor(), query));
  return ReadPage<RequestRow>(
      Listing::kRequests, request, std::move(query),
      [&](const ListQuery& q) { return tx.ListRequests(q); },
      [&](const RequestRow& row) {
        return !by.actor().org_id || row.record.key.org_id == *by.actor().org_id;
      });
}

}  // namespace tallyman
