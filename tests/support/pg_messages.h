// The messages of PostgreSQL's protocol, as far as the gate has to distinguish them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tallyman {

// How long the first message of `bytes` is; nullopt: not all of its head is there yet. The client's
// first one has no type before its length.
inline std::optional<size_t> PgMessageLength(std::string_view bytes, bool has_type) {
  const size_t head = has_type ? 5 : 4;
  if (bytes.size() < head) return std::nullopt;
  size_t length = 0;
  for (size_t i = head - 4; i < head; ++i) {
    length = length << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return length + (has_type ? 1 : 0);
}

inline bool IsPgBind(std::string_view message) { return message.starts_with('B'); }
inline bool IsPgCommitDone(std::string_view message) {
  return message.starts_with('C') && message.substr(5) == std::string_view("COMMIT\0", 7);
}

inline std::string PgMessage(char type, const std::string& body) {
  const auto length = static_cast<uint32_t>(body.size() + 4);
  std::string message(1, type);
  for (int shift = 24; shift >= 0; shift -= 8) {
    message += static_cast<char>(length >> shift & 0xff);
  }
  return message + body;
}

// A statement, parsed, bound and executed, that fails with this SQLSTATE; 57P01 ends the session.
inline std::string PgFailingStatement(const std::string& sqlstate) {
  using std::string_literals::operator""s;
  const std::string sql =
      sqlstate == "57P01"
          ? "SELECT pg_terminate_backend(pg_backend_pid())"
          : "DO $$ BEGIN RAISE EXCEPTION 'injected' USING ERRCODE = '" + sqlstate + "'; END $$";
  return PgMessage('P', "\0"s + sql + "\0\0\0"s) +  // unnamed, the text, no parameter types
         PgMessage('B', "\0\0\0\0\0\0\0\0"s) +      // unnamed, nothing to bind
         PgMessage('E', "\0\0\0\0\0"s);             // unnamed, all rows
}

}  // namespace tallyman
