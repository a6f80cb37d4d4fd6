// A server of the last release, as far as it was recorded: a real HTTP server that answers each
// call with the bytes of the recording.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "compat/talk.h"
#include "tests/support/loopback.h"

namespace tallyman::compat {

// Calls of a method are answered in the order in which they were recorded, the last one again and
// again. A report gets the recorded answer that settles most of what it tells, and nothing else. A
// method that was not recorded is one that the release does not know. Listens on 127.0.0.1 with a
// thread for each connection.
class OldServer {
 public:
  OldServer(std::vector<Exchange> exchanges, std::string unknown_method);
  ~OldServer();
  OldServer(const OldServer&) = delete;
  OldServer& operator=(const OldServer&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(listener_.port()); }
  // The commands whose success was reported.
  std::set<std::string> Done() const;

 private:
  void Accept();
  void Serve(int socket);
  // False: the connection has ended, or this server does.
  bool WaitFor(int socket) const;
  std::string AnswerTo(const std::string& request);
  std::string ReportAnswer(const std::string& body);

  const std::vector<Exchange> exchanges_;
  const std::string unknown_method_;
  LoopbackListener listener_;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  std::map<std::string, size_t> answered_;  // calls of each path
  std::set<std::string> done_;
  std::vector<std::thread> connections_;  // of the accepting thread
  std::thread thread_;
};

}  // namespace tallyman::compat
