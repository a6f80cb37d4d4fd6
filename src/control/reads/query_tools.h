// What the read operations share: a page of rows that the actor may see, and names behind ids.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "control/authorize.h"
#include "control/reads/queries.h"
#include "control/reads/resolve.h"

namespace tallyman::control {

// Names and ids serve alike in filters, but a store takes names (and ids where a name would not
// do).
Status ResolveConditions(store::ReadTx& tx, const Actor& actor, store::ListQuery& query);

// Parses the request and puts ids and names of its filter right.
Result<store::ListQuery> PrepareList(store::ReadTx& tx, const Actor& actor, store::Listing listing,
                                     const ListRequest& request);

// An actor of one org gets only its rows from the store, a host only those about itself.
// `host_field` is what the listing calls the host.
Status LimitToActor(store::ReadTx& tx, const Actor& actor, store::ListQuery& query,
                    std::string_view host_field = "host");

// Reads until the page is full of rows that `sees` accepts, or there are no more. The store is
// asked for one row beyond the page, so that a page that ends the list says so.
template <class Row, class Fetch, class SeesRow>
Result<Page<Row>> ReadPage(store::Listing listing, const ListRequest& request,
                           store::ListQuery query, const Fetch& fetch, const SeesRow& sees) {
  auto size = static_cast<size_t>(query.limit);
  ++query.limit;
  Page<Row> page;
  while (true) {
    Result<std::vector<Row>> rows = fetch(query);
    if (!rows) return Fail(std::move(rows).error());
    for (Row& row : *rows) {
      query.after = row.cursor;
      if (!sees(row)) continue;
      if (page.rows.size() == size) {
        page.next_page_token = PageToken(listing, request, page.rows.back().cursor);
        return page;
      }
      page.rows.push_back(std::move(row));
    }
    if (rows->size() < static_cast<size_t>(query.limit)) return page;
  }
}

// Looks names up, each id once. Belongs to one read.
class Names {
 public:
  explicit Names(store::ReadTx& tx) : tx_(tx) {}

  // "" for no org and for one that is not there.
  Result<std::string> OrgName(const std::optional<OrgId>& id);
  // "" for no config and for one whose config or image is not there.
  Result<std::string> ImageOfConfig(const std::optional<ConfigId>& id);
  // Name and org; nullptr: there is no such node.
  Result<const store::NodeRow*> NodeOf(const NodeId& id);

 private:
  store::ReadTx& tx_;
  std::map<OrgId, std::string> orgs_;
  std::map<ConfigId, std::string> images_;
  std::map<NodeId, std::optional<store::NodeRow>> nodes_;
};

}  // namespace tallyman::control
