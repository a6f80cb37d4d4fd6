// The time in the form of a Date header (RFC 9110, 5.6.7): "Sun, 01 Mar 2026 12:00:00 GMT".
#pragma once

#include <string>

#include "base/clock.h"

namespace tallyman::http {

std::string HttpDate(Time time);

}  // namespace tallyman::http
