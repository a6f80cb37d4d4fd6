// Lines of HTTP/1.1, of heads and between chunks.
#pragma once

#include <string_view>

namespace tallyman::http {

inline constexpr std::string_view kLineEnd = "\r\n";

// A control character other than a tab has no place in a line, but for its end.
inline bool IsControl(char c) {
  return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == '\x7f';
}

}  // namespace tallyman::http
