// Values in PostgreSQL's binary format, and rows of results.
//
// Parameters and results travel in binary: no number is printed or parsed on the way. A value is
// one of five types; enums with EnumText are their words, times are microseconds, an empty optional
// is NULL. A type of several columns provides its own AppendValue() and ReadValue(). Many rows
// travel as one array per column, which `unnest` turns into rows again.
//
// Plain values, each used by one thread; a PgRow must not outlive its PgResult.
#pragma once

#include <libpq-fe.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/enum_text.h"
#include "base/id.h"
#include "base/result.h"
#include "model/resources.h"

namespace tallyman::store::postgres {

// Object ids of the types, the same on every server.
enum class PgType : Oid { kBool = 16, kBytea = 17, kInt8 = 20, kText = 25, kUuid = 2950 };

Oid ArrayOf(PgType element);

// Collects the columns of a value for AppendValue(). Each call of Add() is one column.
class PgSink {
 public:
  PgSink() = default;
  PgSink(const PgSink&) = default;
  PgSink& operator=(const PgSink&) = default;
  virtual ~PgSink() = default;
  virtual void Add(PgType type, std::string_view bytes) = 0;
  virtual void AddNull(PgType type) = 0;
};

void AppendInteger(PgSink& sink, int64_t value);

// Bytes stored as bytea instead of text.
struct PgBytes {
  std::string_view bytes;
};

template <class Enum>
concept PgEnum = requires { EnumText<Enum>::kWords; };

// The column type of a value, even when the value is empty.
template <class T>
struct PgTypeOf;
template <>
struct PgTypeOf<int64_t> {
  static constexpr PgType kType = PgType::kInt8;
};
template <>
struct PgTypeOf<bool> {
  static constexpr PgType kType = PgType::kBool;
};
template <>
struct PgTypeOf<Time> {
  static constexpr PgType kType = PgType::kInt8;
};
template <>
struct PgTypeOf<std::string> {
  static constexpr PgType kType = PgType::kText;
};
template <class Tag>
struct PgTypeOf<Id<Tag>> {
  static constexpr PgType kType = PgType::kUuid;
};
template <PgEnum Enum>
struct PgTypeOf<Enum> {
  static constexpr PgType kType = PgType::kText;
};

inline void AppendValue(PgSink& sink, int64_t value) { AppendInteger(sink, value); }
inline void AppendValue(PgSink& sink, bool value) {
  sink.Add(PgType::kBool, std::string_view(value ? "\1" : "\0", 1));
}
inline void AppendValue(PgSink& sink, Time value) {
  AppendInteger(sink, value.time_since_epoch().count());
}
inline void AppendValue(PgSink& sink, std::string_view text) { sink.Add(PgType::kText, text); }
inline void AppendValue(PgSink& sink, const std::string& text) { sink.Add(PgType::kText, text); }
inline void AppendValue(PgSink& sink, PgBytes value) { sink.Add(PgType::kBytea, value.bytes); }
template <class Tag>
void AppendValue(PgSink& sink, const Id<Tag>& id) {
  sink.Add(PgType::kUuid,
           {reinterpret_cast<const char*>(id.uuid.bytes.data()), id.uuid.bytes.size()});
}
template <PgEnum Enum>
void AppendValue(PgSink& sink, Enum value) {
  sink.Add(PgType::kText, ToText(value));
}
inline void AppendValue(PgSink& sink, const Resources& value) {
  for (Dimension dimension : kDimensions) AppendInteger(sink, value.get(dimension));
}
inline void AppendValue(PgSink& sink, const Books& value) {
  AppendInteger(sink, value.node_count);
  AppendValue(sink, value.allocated);
}
template <class T>
void AppendValue(PgSink& sink, const std::optional<T>& value) {
  if (value) {
    AppendValue(sink, *value);
  } else {
    sink.AddNull(PgTypeOf<T>::kType);
  }
}

// Three columns that are all null or all set.
inline void AppendValue(PgSink& sink, const std::optional<Resources>& value) {
  if (value) return AppendValue(sink, *value);
  for (int i = 0; i < 3; ++i) sink.AddNull(PgType::kInt8);
}

// One column of many rows, for an array parameter.
class PgArray {
 public:
  explicit PgArray(PgType element) : element_(element) {}
  void Add(std::string_view bytes);
  void AddNull();
  PgType element() const { return element_; }
  int64_t size() const { return size_; }
  // The array in binary form.
  std::string Encode() const;

 private:
  PgType element_;
  int64_t size_ = 0;
  bool has_null_ = false;
  std::string body_;
};

// Rows split into arrays. The first row determines the types of the columns.
class PgColumns final : public PgSink {
 public:
  template <class... T>
  void AddRow(const T&... values) {
    if (rows_ == 0) columns_.reserve(sizeof...(T));
    at_ = 0;
    (AppendValue(*this, values), ...);
    ++rows_;
  }
  int64_t rows() const { return rows_; }
  const std::vector<PgArray>& columns() const { return columns_; }

  void Add(PgType type, std::string_view bytes) override;
  void AddNull(PgType type) override;

 private:
  PgArray& Next(PgType type);

  size_t at_ = 0;
  int64_t rows_ = 0;
  std::vector<PgArray> columns_;
};

// The parameters of one statement: $1, $2, ...
class PgParams final : public PgSink {
 public:
  template <class... T>
  static PgParams Of(const T&... values) {
    PgParams params;
    (AppendValue(params, values), ...);
    return params;
  }
  // One array for each column.
  static PgParams Of(const PgColumns& rows);

  void Add(PgType type, std::string_view bytes) override;
  void AddNull(PgType type) override;
  void AddArray(const PgArray& array);
  template <class T>
  void AddList(const std::vector<T>& values) {
    PgArray array(PgTypeOf<T>::kType);
    ListSink sink(array);
    for (const T& value : values) AppendValue(sink, value);
    AddArray(array);
  }

  int size() const { return static_cast<int>(types_.size()); }
  const Oid* types() const { return types_.data(); }
  std::vector<const char*> Values() const;
  const int* lengths() const { return lengths_.data(); }
  const int* formats() const { return formats_.data(); }

 private:
  class ListSink final : public PgSink {
   public:
    explicit ListSink(PgArray& array) : array_(array) {}
    void Add(PgType, std::string_view bytes) override { array_.Add(bytes); }
    void AddNull(PgType) override { array_.AddNull(); }

   private:
    PgArray& array_;
  };
  void Append(Oid type, const std::string* bytes);

  std::vector<Oid> types_;
  std::vector<std::optional<std::string>> bytes_;
  std::vector<int> lengths_;
  std::vector<int> formats_;
};

// A row of a result, read from the left.
class PgRow {
 public:
  PgRow(const PGresult* result, int row) : result_(result), row_(row) {}

  // DATA_LOSS DATABASE_CORRUPT when a value does not have the form of its type.
  template <class... T>
  Status Read(T&... values) {
    if ((ReadValue(*this, values) && ...)) return {};
    return Fail(CorruptValue());
  }
  bool NextIsNull() const { return PQgetisnull(result_, row_, column_) != 0; }
  void Skip(int columns) { column_ += columns; }
  // The bytes of the next column; empty for NULL.
  std::string_view TakeBytes();
  Error CorruptValue() const;

 private:
  const PGresult* result_;
  int row_;
  int column_ = 0;
};

bool ReadValue(PgRow& row, int64_t& value);
bool ReadValue(PgRow& row, bool& value);
inline bool ReadValue(PgRow& row, std::string& text) {
  text = row.TakeBytes();
  return true;
}
bool ReadValue(PgRow& row, Time& time);
template <class Tag>
bool ReadValue(PgRow& row, Id<Tag>& id) {
  std::string_view bytes = row.TakeBytes();
  if (bytes.size() != id.uuid.bytes.size()) return false;
  std::memcpy(id.uuid.bytes.data(), bytes.data(), bytes.size());
  return true;
}
template <PgEnum Enum>
bool ReadValue(PgRow& row, Enum& value) {
  auto word = FromText<Enum>(row.TakeBytes());
  if (word) value = *word;
  return word.has_value();
}
inline bool ReadValue(PgRow& row, Resources& value) {
  return ReadValue(row, value.cpu_cores) && ReadValue(row, value.memory_bytes) &&
         ReadValue(row, value.disk_bytes);
}
inline bool ReadValue(PgRow& row, Books& value) {
  return ReadValue(row, value.node_count) && ReadValue(row, value.allocated);
}
template <class T>
bool ReadValue(PgRow& row, std::optional<T>& value) {
  if (row.NextIsNull()) {
    row.Skip(1);
    value.reset();
    return true;
  }
  return ReadValue(row, value.emplace());
}
// Three columns that are all null or all set.
inline bool ReadValue(PgRow& row, std::optional<Resources>& value) {
  if (!row.NextIsNull()) return ReadValue(row, value.emplace());
  row.Skip(3);
  value.reset();
  return true;
}

// Owns the result of a statement.
class PgResult {
 public:
  explicit PgResult(PGresult* result) : result_(result) {}
  int rows() const { return PQntuples(result_.get()); }
  PgRow row(int index) const { return {result_.get(), index}; }
  std::string_view command() const { return PQcmdStatus(result_.get()); }
  const PGresult* get() const { return result_.get(); }

 private:
  struct Clear {
    void operator()(PGresult* result) const { PQclear(result); }
  };
  std::unique_ptr<PGresult, Clear> result_;
};

// The rows of a result, one after another, with the interface of SqliteQuery.
class PgRows {
 public:
  PgRows() = default;  // none
  explicit PgRows(PgResult result) : result_(std::move(result)), rows_(result_->rows()) {}

  Result<bool> Next() {
    if (at_ == rows_) return false;
    row_ = result_->row(at_++);
    return true;
  }
  // The columns of the current row, from the left, or after the one that was read last.
  template <class... T>
  Status Read(T&... values) {
    row_ = result_->row(at_ - 1);
    return row_.Read(values...);
  }
  template <class... T>
  Status ReadMore(T&... values) {
    return row_.Read(values...);
  }

 private:
  std::optional<PgResult> result_;
  int rows_ = 0;
  int at_ = 0;
  PgRow row_{nullptr, 0};
};

}  // namespace tallyman::store::postgres
