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

// {"error": {"code", "reason", "message", "resource", "facts", "exit_status"}}, and "warnings"
// where there are any.
boost::json::value ErrorDocument(const Error& error, int exit_status,
                                 const std::vector<v1::Warning>& warnings);

// "error: MESSAGE", and a line with the reason and those facts for people that the message does not
// mention. When it is unknown whether the request was carried out, a third says how to find out.
std::string ErrorText(const Error& error, const std::string& request_id, bool colour_on);

}  // namespace tallyman::cli
