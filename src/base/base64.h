// Base64 (RFC 4648, section 4: the alphabet with + and /).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tallyman {

// Without padding.
std::string ToBase64(std::string_view bytes);

// Takes text with and without padding; nullopt for anything that is not Base64.
std::optional<std::string> FromBase64(std::string_view text);

}  // namespace tallyman
