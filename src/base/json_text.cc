#include "base/json_text.h"

#include <fmt/format.h>

#include <iterator>

namespace tallyman {

void AppendJsonString(std::string& out, std::string_view text) {
  out += '"';
  size_t plain = 0;  // where what needs no escape began
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool quoted = c == '"' || c == '\\';
    if (!quoted && static_cast<unsigned char>(c) >= 0x20) continue;
    out.append(text, plain, i - plain);
    plain = i + 1;
    if (quoted) {
      out += '\\';
      out += c;
    } else {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
    }
  }
  out.append(text, plain);
  out += '"';
}

void AppendJsonKey(std::string& out, std::string_view key) {
  AppendJsonString(out, key);
  out += ':';
}

}  // namespace tallyman
