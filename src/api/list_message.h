// The four fields that every request for a list has.
#pragma once

#include "control/reads/list_query.h"

namespace tallyman::api {

template <class Request>
control::ListRequest ListOf(const Request& request) {
  return {.page_size = request.page_size(),
          .page_token = request.page_token(),
          .filter = request.filter(),
          .order_by = request.order_by(),
          .with_deleted = false};
}

}  // namespace tallyman::api
