// A foreign session on a PostgreSQL database, which locks rows that Tallyman uses.
#pragma once

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <string>

namespace tallyman {

// In a transaction from the first LockHost() on. Belongs to one thread at a time.
class ForeignSession {
 public:
  explicit ForeignSession(const std::string& dsn) : connection_(PQconnectdb(dsn.c_str())) {}
  ForeignSession(const ForeignSession&) = delete;
  ForeignSession& operator=(const ForeignSession&) = delete;
  ~ForeignSession() { PQfinish(connection_); }

  void LockHost(const std::string& name) {
    if (PQtransactionStatus(connection_) == PQTRANS_IDLE) Run("BEGIN");
    Run(fmt::format("SELECT 1 FROM hosts WHERE name = '{}' FOR UPDATE", name));
  }
  void End() { Run("ROLLBACK"); }
  void Run(const std::string& sql) {
    PGresult* result = PQexec(connection_, sql.c_str());
    EXPECT_NE(PQresultStatus(result), PGRES_FATAL_ERROR) << PQerrorMessage(connection_);
    PQclear(result);
  }

 private:
  PGconn* connection_;
};

}  // namespace tallyman
