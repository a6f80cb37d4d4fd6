// Runs the real program in its own directory, for end-to-end tests.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace tallyman {

struct Ran {
  int status = -1;  // 128 + N when signal N ended it
  std::string out;
  std::string err;
};

// Runs PROGRAM with the arguments and only this environment (NAME=VALUE), with standard input from
// `in`, and waits for its end.
Ran RunProgram(const std::string& program, const std::vector<std::string>& arguments,
               const std::vector<std::string>& environment, const std::string& in = {});

class ServerProcess;

// Whether the program is run with --db or against a real server on that database. What it prints is
// the same.
extern const bool kViaServer;

// A fresh directory with a database path in it; removed at the end.
class ProgramTest : public testing::Test {
 public:
  ProgramTest();
  ~ProgramTest() override;

 protected:
  // The program with TALLYMAN_DB set to this test's database, as actor "tester"; through a server
  // with TALLYMAN_SERVER and a token of that name, except for `db`. Warnings and errors that the
  // server logs in the meantime are added to its errors, where the program itself would have
  // written them.
  Ran Tallyman(const std::vector<std::string>& arguments, const std::string& in = {}) const;
  // The same, where anything but status 0 fails the test.
  Ran Must(const std::vector<std::string>& arguments) const;
  // A SQL script run by the sqlite3 shell, which has foreign keys off; its output.
  std::string Sql(const std::string& script) const;
  // Everything that is in the database, as text; "" when there is none.
  std::string Dump() const;

  std::string PathOf(const std::string& name) const { return (directory_ / name).string(); }
  std::string database() const { return PathOf("fleet.db"); }
  // Writes a file into the directory and returns its name.
  std::string Write(const std::string& name, const std::string& text) const;

  // Region eu with hosts h1 and h2 (32 cores, 128 GB, 8 TB), org acme, images p/v@1.0.0 (8 cores,
  // 16 GB, 1 TB), p/v@2.0.0 (16, 32 GB, 2 TB) and p/v@3.0.0 (as 2.0.0), node n-1 on h1 at 1.0.0.
  void CreateSmallFleet() const;
  // The server, started if necessary. REQUIRES: kViaServer.
  ServerProcess& server() const;
  const std::string& server_token() const { return token_; }

 private:
  Ran ViaServer(const std::vector<std::string>& arguments, const std::string& in) const;
  Ran ViaDatabase(const std::vector<std::string>& arguments, const std::string& in) const;

  std::unique_ptr<ServerProcess> server_;  // null: the program opens the database itself
  mutable std::string token_;              // empty: the server is not started yet
  std::filesystem::path directory_;
};

}  // namespace tallyman
