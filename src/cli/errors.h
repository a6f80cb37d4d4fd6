// Errors as they are shown.
#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "base/error.h"

namespace tallyman::cli {

// {"error": {"code", "reason", "message", "resource", "facts", "exit_status"}}.
boost::json::value ErrorDocument(const Error& error, int exit_status);

// "error: MESSAGE", and a line with the reason and those facts for people that the message does not
// mention. When it is unknown whether the request was carried out, a third says how to find out.
std::string ErrorText(const Error& error, const std::string& request_id, bool colour_on);

}  // namespace tallyman::cli
