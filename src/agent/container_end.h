// How a container ended: in words, and in the form in which it is reported and stored.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/runtime.h"

namespace tallyman::v1 {
class ContainerEnd;
}  // namespace tallyman::v1

namespace tallyman {

// "it exited with code 3; it printed last: ...", at most 1,000 bytes.
std::string DescribeEnd(const ContainerEnd& end);
// "it printed last: ..."; empty: nothing.
std::string LastPrinted(const ContainerEnd& end);

void FillEnd(const ContainerEnd& from, v1::ContainerEnd& to);
std::string EndToBytes(const ContainerEnd& end);
// nullopt: it is not one.
std::optional<ContainerEnd> EndFromBytes(std::string_view bytes);

}  // namespace tallyman
