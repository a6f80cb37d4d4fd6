// How a container ended: in words, and in the form in which it is reported and stored.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/runtime.h"

namespace tallyman::v1 {
class ContainerEnd;
}  // namespace tallyman::v1

namespace tallyman::agent {

// "it ended with exit code 3; it printed last: ...", at most 1,000 bytes.
std::string DescribeEnd(const ReportedEnd& end);
// "it printed last: ..."; empty: nothing.
std::string LastPrinted(const ReportedEnd& end);

void FillEnd(const ReportedEnd& from, v1::ContainerEnd& to);
std::string EndToBytes(const ReportedEnd& end);
// nullopt: it is not one.
std::optional<ReportedEnd> EndFromBytes(std::string_view bytes);

}  // namespace tallyman::agent
