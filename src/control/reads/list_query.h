// What a caller asks of a list, turned into what a store takes: filters, order and pages.
//
// A filter is FIELD=VALUE, several separated by spaces, all of which must hold; != is the other
// comparison, and for integers also < <= > and >=. A value with spaces stands in double quotes, in
// which \" and \\ are a quote and a backslash. An order is a field, or a field and "desc" or "asc".
// A page token is opaque, and good only for the list, filter and order that it was made for. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "control/reads/page_token.h"
#include "store/list.h"

namespace tallyman::control {

struct ListRequest {
  int64_t page_size = 0;  // 0: 100; more than 1,000 counts as 1,000
  std::string page_token;
  std::string filter;
  std::string order_by;
  bool with_deleted = false;  // also nodes that are deleted, or hosts that are retired
};

// In a filter of nodes: a reference or id. The store knows image_id only; whoever reads resolves
// it.
inline constexpr std::string_view kImageField = "image";

// INVALID_ARGUMENT, reason INVALID_PAGE_SIZE, INVALID_PAGE_TOKEN, INVALID_FILTER or
// INVALID_ORDER_BY, with the facts "field" (of the request), "value" and, where it helps,
// "allowed". The limit is the page's size.
Result<store::ListQuery> ParseList(store::Listing listing, const ListRequest& request);

// The token of the page that begins behind `cursor`.
std::string PageToken(store::Listing listing, const ListRequest& request,
                      const store::ListCursor& cursor);

// Only the filter: its conditions, fields checked against `fields`.
Result<std::vector<store::Condition>> ParseFilter(std::string_view what,
                                                  std::span<const store::ListField> fields,
                                                  std::string_view filter);
// How many rows a page has. INVALID_PAGE_SIZE for a negative one.
Result<int64_t> PageSize(int64_t page_size);

}  // namespace tallyman::control
