// Answers requests for nodes' logs: reads the log on the host and sends it to the control plane, in
// parts, until it is complete or nobody reads any more.
//
// It owns no thread: one caller thread serves all answers, a part of each in turn, so a host needs
// one thread for any number of readers. It only keeps the part in flight.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/log_source.h"
#include "base/clock.h"
#include "base/result.h"
#include "client/client.h"
#include "model/ids.h"
#include "tallyman/v1/agent.pb.h"

namespace tallyman::agent {

struct LogSenderOptions {
  size_t answers_max = 16;
  size_t part_bytes_max = size_t{256} * 1024;
  size_t lines_at_once = 500;
  // The heartbeat interval of an answer that has nothing to send.
  std::chrono::milliseconds sign_of_life = std::chrono::seconds(15);
  std::chrono::milliseconds retry_pause = std::chrono::seconds(1);
  // How long sending a part is retried.
  std::chrono::milliseconds patience = std::chrono::seconds(30);
  std::chrono::milliseconds poll = std::chrono::milliseconds(300);
};

class LogSender {
 public:
  // Owns none of them.
  LogSender(client::Client& client, LogSource& source, Clock& clock, LogSenderOptions options = {});
  ~LogSender();
  LogSender(const LogSender&) = delete;
  LogSender& operator=(const LogSender&) = delete;

  // Called from any thread; does not block. A request that is already being answered is ignored.
  void Take(const v1::LogRequest& request);

  // Sends until `stop` is requested.
  void Run(std::stop_token stop);

  // Serves all answers once. False: there was nothing to send. For Run() and for tests; from one
  // thread at a time.
  bool Step();

 private:
  struct Answer;
  bool Step(Answer& answer);
  void Begin(Answer& answer);
  void Read(Answer& answer);
  void MakePart(Answer& answer);
  void Send(Answer& answer);

  client::Client& client_;
  LogSource& source_;
  Clock& clock_;
  const LogSenderOptions options_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool asked_ = false;
  std::map<std::string, std::shared_ptr<Answer>> answers_;  // by id
};

}  // namespace tallyman::agent
