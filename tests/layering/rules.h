// The allowed dependencies of each room of src/. Only rules.cc has the table of allowed edges.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tallyman::layering {

// The room of a file below src/: its folder ("store/sqlite" for "store/sqlite/tx.cc").
std::string_view RoomOf(std::string_view path);

// Every rule that the file breaks, one sentence each; empty if none. `path` is relative to src/.
std::vector<std::string> Violations(std::string_view path, std::string_view text);

}  // namespace tallyman::layering
