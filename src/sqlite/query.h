// One run of a prepared statement: bind, step, read.
//
//   SqliteQuery query = connection.Query("SELECT name, cpu_cores FROM hosts WHERE id = ?");
//   query.Bind(id);
//   ASSIGN_OR_RETURN(bool found, query.Next());
//   if (found) RETURN_IF_ERROR(query.Read(name, cpu_cores));
//
// Ids are 16-byte blobs, times INTEGER microseconds, enums with EnumText their words, an empty
// optional is NULL. A type of several columns provides its own BindValue() and ReadValue(). Belongs
// to one thread and must not outlive its connection. The statement is reset when the query is
// destroyed, so that it holds no read lock.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/enum_text.h"
#include "base/id.h"
#include "base/result.h"

struct sqlite3_stmt;

namespace tallyman::sqlite {

class SqliteConnection;

// Bytes stored as a BLOB instead of text.
struct SqliteBlob {
  std::string_view bytes;
};

// The storage class of a value, independent of its column's declared type.
enum class SqliteType { kNull, kInteger, kText, kBlob };

class SqliteQuery {
 public:
  SqliteQuery(SqliteQuery&& other) noexcept;
  SqliteQuery& operator=(SqliteQuery&&) = delete;
  ~SqliteQuery();

  // Binds all parameters, in order. Text in lvalues and string_views is not copied: it must live
  // until the last Next(). A temporary std::string is copied.
  template <class... T>
  void Bind(T&&... values) {
    StartBinding();
    (BindValue(*this, std::forward<T>(values)), ...);
  }

  // Steps to the next row; false: there is none.
  Result<bool> Next();
  // Steps to the end and ignores rows.
  Status Run();

  // Reads the columns of the current row, from the left. DATA_LOSS DATABASE_CORRUPT when a value
  // does not have the form of its type.
  template <class... T>
  Status Read(T&... values) {
    column_ = 0;
    return ReadMore(values...);
  }
  // Continues after the column that was read last.
  template <class... T>
  Status ReadMore(T&... values) {
    if ((ReadValue(*this, values) && ...)) return {};
    return Fail(CorruptValue());
  }

  // For BindValue() and ReadValue(): the next parameter or column.
  void BindNull();
  void BindInteger(int64_t value);
  void BindText(std::string_view text);
  void BindTextCopy(std::string_view text);
  void BindBlob(std::string_view bytes);
  void BindBlobCopy(std::string_view bytes);
  bool NextIsNull() const;
  SqliteType NextType() const;
  void Skip(int columns) { column_ += columns; }
  int64_t TakeInteger();
  std::string_view TakeText();  // valid until the next Next()
  std::string_view TakeBlob();  // likewise
  // The error of Read() when a ReadValue() rejects a value.
  Error CorruptValue() const;

 private:
  friend class SqliteConnection;
  // `busy`: the flag of the cached statement to clear at the end; null: the query owns the
  // statement.
  SqliteQuery(SqliteConnection& connection, sqlite3_stmt* statement, bool* busy)
      : connection_(&connection), statement_(statement), busy_(busy) {}
  SqliteQuery(SqliteConnection& connection, Error error)
      : connection_(&connection), error_(std::move(error)) {}
  void StartBinding();
  void Check(int code);
  Error LastError() const;

  SqliteConnection* connection_;
  sqlite3_stmt* statement_ = nullptr;
  bool* busy_ = nullptr;
  bool running_ = false;
  int parameter_ = 0;
  int column_ = 0;
  std::optional<Error> error_;
};

template <class Enum>
concept EnumWithText = requires { EnumText<Enum>::kWords; };

inline void BindValue(SqliteQuery& query, int64_t value) { query.BindInteger(value); }
inline void BindValue(SqliteQuery& query, int value) { query.BindInteger(value); }
inline void BindValue(SqliteQuery& query, bool value) { query.BindInteger(value ? 1 : 0); }
inline void BindValue(SqliteQuery& query, std::string_view text) { query.BindText(text); }
inline void BindValue(SqliteQuery& query, const char* text) { query.BindText(text); }
inline void BindValue(SqliteQuery& query, const std::string& text) { query.BindText(text); }
inline void BindValue(SqliteQuery& query, std::string&& text) { query.BindTextCopy(text); }
inline void BindValue(SqliteQuery& query, SqliteBlob blob) { query.BindBlob(blob.bytes); }
inline void BindValue(SqliteQuery& query, Time time) {
  query.BindInteger(time.time_since_epoch().count());
}
template <class Tag>
void BindValue(SqliteQuery& query, const Id<Tag>& id) {
  query.BindBlob({reinterpret_cast<const char*>(id.uuid.bytes.data()), id.uuid.bytes.size()});
}
template <EnumWithText Enum>
void BindValue(SqliteQuery& query, Enum value) {
  query.BindText(ToText(value));
}
template <class T>
void BindValue(SqliteQuery& query, const std::optional<T>& value) {
  if (value) {
    BindValue(query, *value);
  } else {
    query.BindNull();
  }
}

inline bool ReadValue(SqliteQuery& query, int64_t& value) {
  value = query.TakeInteger();
  return true;
}
inline bool ReadValue(SqliteQuery& query, bool& value) {
  value = query.TakeInteger() != 0;
  return true;
}
inline bool ReadValue(SqliteQuery& query, std::string& text) {
  text = query.TakeText();
  return true;
}
inline bool ReadValue(SqliteQuery& query, Time& time) {
  time = Time(std::chrono::microseconds(query.TakeInteger()));
  return true;
}
template <class Tag>
bool ReadValue(SqliteQuery& query, Id<Tag>& id) {
  std::string_view blob = query.TakeBlob();
  if (blob.size() != id.uuid.bytes.size()) return false;
  std::memcpy(id.uuid.bytes.data(), blob.data(), blob.size());
  return true;
}
template <EnumWithText Enum>
bool ReadValue(SqliteQuery& query, Enum& value) {
  auto word = FromText<Enum>(query.TakeText());
  if (word) value = *word;
  return word.has_value();
}
template <class T>
bool ReadValue(SqliteQuery& query, std::optional<T>& value) {
  if (query.NextIsNull()) {
    query.Skip(1);
    value.reset();
    return true;
  }
  return ReadValue(query, value.emplace());
}

}  // namespace tallyman::sqlite
