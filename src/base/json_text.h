// Writes JSON text by hand, for the hot paths. Libraries read JSON.
#pragma once

#include <string>
#include <string_view>

namespace tallyman {

// Appends `text` as a JSON string. REQUIRES: `text` is UTF-8.
void AppendJsonString(std::string& out, std::string_view text);
// Appends "key":
void AppendJsonKey(std::string& out, std::string_view key);

}  // namespace tallyman
