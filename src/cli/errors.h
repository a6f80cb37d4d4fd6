// Errors as they are shown.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "tallyman/v1/common.pb.h"

namespace tallyman::cli {

boost::json::array WarningList(const std::vector<v1::Warning>& warnings);

// A request of which it is not known whether it was carried out. Without a request id: there is
// none.
struct OpenChange {
  std::string method;  // "CreateNodes"
  std::string request_id;
  bool is_the_command = false;  // and not one of many of it, as in an apply
};

// {"error": {"code", "reason", "message", "resource", "facts", "exit_status"}}, "open" with the
// method and request id of a change whose outcome is not known, and "warnings" where there are any.
boost::json::value ErrorDocument(const Error& error, int exit_status, const OpenChange& open,
                                 const std::vector<v1::Warning>& warnings);

// "error: MESSAGE", and a line with the reason and those facts for people that the message does not
// mention. When it is unknown whether a request was carried out, a third says how to find out.
std::string ErrorText(const Error& error, const OpenChange& open, bool colour_on);

}  // namespace tallyman::cli
