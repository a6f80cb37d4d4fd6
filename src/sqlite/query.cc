#include "sqlite/query.h"

#include <sqlite3.h>

#include "sqlite/connection.h"
#include "sqlite/sqlite_error.h"

namespace tallyman::sqlite {

SqliteQuery::SqliteQuery(SqliteQuery&& other) noexcept
    : connection_(other.connection_),
      statement_(std::exchange(other.statement_, nullptr)),
      busy_(std::exchange(other.busy_, nullptr)),
      running_(other.running_),
      parameter_(other.parameter_),
      column_(other.column_),
      error_(std::move(other.error_)) {}

SqliteQuery::~SqliteQuery() {
  if (statement_ == nullptr) return;
  if (busy_ != nullptr) {
    sqlite3_reset(statement_);
    *busy_ = false;
  } else {
    sqlite3_finalize(statement_);
  }
}

void SqliteQuery::StartBinding() {
  parameter_ = 0;
  if (running_) {
    sqlite3_reset(statement_);
    running_ = false;
  }
}

void SqliteQuery::Check(int code) {
  if (code != SQLITE_OK && !error_) error_ = LastError();
}

void SqliteQuery::BindNull() { Check(sqlite3_bind_null(statement_, ++parameter_)); }

void SqliteQuery::BindInteger(int64_t value) {
  Check(sqlite3_bind_int64(statement_, ++parameter_, value));
}

void SqliteQuery::BindText(std::string_view text) {
  // A null pointer would bind NULL; an empty text is not NULL.
  const char* data = text.data() == nullptr ? "" : text.data();
  Check(
      sqlite3_bind_text64(statement_, ++parameter_, data, text.size(), SQLITE_STATIC, SQLITE_UTF8));
}

void SqliteQuery::BindTextCopy(std::string_view text) {
  Check(sqlite3_bind_text64(statement_, ++parameter_, text.data(), text.size(), SQLITE_TRANSIENT,
                            SQLITE_UTF8));
}

void SqliteQuery::BindBlob(std::string_view bytes) {
  const char* data = bytes.data() == nullptr ? "" : bytes.data();
  Check(sqlite3_bind_blob64(statement_, ++parameter_, data, bytes.size(), SQLITE_STATIC));
}

void SqliteQuery::BindBlobCopy(std::string_view bytes) {
  Check(
      sqlite3_bind_blob64(statement_, ++parameter_, bytes.data(), bytes.size(), SQLITE_TRANSIENT));
}

Result<bool> SqliteQuery::Next() {
  if (error_) return Fail(*error_);
  if (!running_) {
    running_ = true;
    if (connection_->is_overdue()) {
      return Fail(SqliteError(SQLITE_INTERRUPT, {}, connection_->path(), sqlite3_sql(statement_)));
    }
    if (int code = connection_->AskHook(sqlite3_sql(statement_)); code != SQLITE_OK) {
      return Fail(SqliteError(code, {}, connection_->path(), sqlite3_sql(statement_)));
    }
  }
  int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return Fail(LastError());
}

Status SqliteQuery::Run() {
  while (true) {
    ASSIGN_OR_RETURN(bool row, Next());
    if (!row) return {};
  }
}

bool SqliteQuery::NextIsNull() const {
  return sqlite3_column_type(statement_, column_) == SQLITE_NULL;
}

// The schema is STRICT and has no REAL columns.
SqliteType SqliteQuery::NextType() const {
  switch (sqlite3_column_type(statement_, column_)) {
    case SQLITE_NULL:
      return SqliteType::kNull;
    case SQLITE_INTEGER:
      return SqliteType::kInteger;
    case SQLITE_BLOB:
      return SqliteType::kBlob;
    default:
      break;
  }
  return SqliteType::kText;
}

int64_t SqliteQuery::TakeInteger() { return sqlite3_column_int64(statement_, column_++); }

std::string_view SqliteQuery::TakeText() {
  int column = column_++;
  const unsigned char* text = sqlite3_column_text(statement_, column);
  if (text == nullptr) return {};
  return {reinterpret_cast<const char*>(text),
          static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

std::string_view SqliteQuery::TakeBlob() {
  int column = column_++;
  const void* blob = sqlite3_column_blob(statement_, column);
  if (blob == nullptr) return {};
  return {static_cast<const char*>(blob),
          static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

Error SqliteQuery::CorruptValue() const {
  return SqliteCorruptValue(connection_->path(), sqlite3_sql(statement_), column_);
}

Error SqliteQuery::LastError() const { return connection_->LastError(sqlite3_sql(statement_)); }

}  // namespace tallyman::sqlite
