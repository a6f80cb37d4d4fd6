// Page tokens: where a page ended, in a form that callers hand back without looking into it. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "store/list.h"

namespace tallyman::control {

// `scope` says all that the token depends on: the list, its filter and its order.
std::string PageToken(std::string_view scope, const store::ListCursor& cursor);

// INVALID_ARGUMENT INVALID_PAGE_TOKEN for what PageToken() did not make, or made for another scope.
Result<store::ListCursor> ParsePageToken(std::string_view scope, std::string_view token);

// INVALID_ARGUMENT with the facts "field" (of the request), "value" and, where it helps, "allowed".
std::unexpected<Error> RefuseListField(std::string reason, std::string_view field,
                                       std::string_view value, std::string_view why,
                                       const std::string& allowed = "");

}  // namespace tallyman::control
