// A real server in a separate process, for tests that speak to it over sockets.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "support/temp_dir.h"

namespace tallyman {

// Listens on 127.0.0.1, on a port that the kernel picked, with a database in a directory of its
// own. The destructor kills what still runs.
class ServerProcess {
 public:
  ServerProcess() = default;
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  // Starts `tallyman server` and waits until it serves; what it wrote is in Log(). False when it
  // ended before.
  bool Start(const std::vector<std::string>& options = {});
  // Sends a signal.
  void Signal(int signal) const;
  // Waits for its end; its exit status, 128 + N for signal N.
  int Wait();
  // SIGTERM and Wait().
  int Stop();

  uint16_t port() const { return port_; }
  pid_t pid() const { return pid_; }
  const std::string& token() const { return token_; }
  std::string Url(const std::string& path = "") const;
  std::string Log() const;
  // Waits until the log has the text; false after ten seconds.
  bool LogHas(const std::string& text) const;
  std::string PathOf(const std::string& name) const { return (dir_.path() / name).string(); }
  std::string dsn() const { return dsn_.empty() ? "sqlite:" + PathOf("fleet.db") : dsn_; }
  void UseTls() { scheme_ = "https"; }
  // A database elsewhere, from the next start on.
  void UseDatabase(std::string dsn) { dsn_ = std::move(dsn); }
  // Every start uses the port of the first one, which is below those that the kernel gives to
  // outgoing connections: one of them could take it in between.
  void KeepPort() { keeps_port_ = true; }

 private:
  bool StartOn(const std::string& port, const std::vector<std::string>& options);

  TempDir dir_;
  std::string dsn_;
  bool keeps_port_ = false;
  uint16_t kept_port_ = 0;
  std::string scheme_ = "http";
  pid_t pid_ = -1;
  uint16_t port_ = 0;
  std::string token_;
};

}  // namespace tallyman
