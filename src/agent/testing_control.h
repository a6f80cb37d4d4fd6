// A control plane for tests of the agent: hands out what it is given, remembers what it is told,
// and can be made deaf, late and forgetful. It decides nothing by itself; the agent and the real
// one are tried together elsewhere. Calls may come from any thread; what it shows is looked at
// under Locked(), or when nobody calls.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "client/client.h"
#include "model/ids.h"
#include "tallyman/v1/agent.pb.h"

namespace tallyman::agent {

class TestingControl final : public client::Client {
 public:
  Status Call(std::string_view method, const google::protobuf::Message& request,
              google::protobuf::Message& response) override {
    std::lock_guard lock(mutex);
    if (before) RETURN_IF_ERROR(before(method));
    if (method.ends_with("/FetchCommands")) {
      Fetch(static_cast<v1::FetchCommandsResponse&>(response));
    } else if (method.ends_with("/Report")) {
      Take(static_cast<const v1::ReportRequest&>(request),
           static_cast<v1::ReportResponse&>(response));
    } else {
      return Fail(Error(Code::kUnimplemented, "NO_SUCH_METHOD", std::string(method)));
    }
    if (after) return after(method);
    return {};
  }

  template <class Look>
  auto Locked(Look look) {
    std::lock_guard lock(mutex);
    return look();
  }

  std::mutex mutex;
  // Handed out with every fetch, until its acknowledgement is accepted or refused.
  std::map<std::string, v1::HandedCommand> open;
  // By command: what to answer to an acknowledgement. None: accepted.
  std::map<std::string, std::string> refused;
  std::vector<v1::ReportRequest> reports;
  std::vector<v1::Outcome> outcomes;
  std::vector<std::string> accepted;
  // Asked before a call is looked at, and after it was: an error is what the caller gets.
  std::function<Status(std::string_view method)> before;
  std::function<Status(std::string_view method)> after;
  int64_t last_sequence = 0;
  // It takes incidents, up to this number so far; one of the last release does not.
  bool processes_incidents = false;
  int64_t incidents_processed = 0;

  const v1::NodeStatus* LastStatusOf(const NodeId& node) const {
    for (auto report = reports.rbegin(); report != reports.rend(); ++report) {
      if (!report->has_status()) continue;
      for (const v1::NodeStatus& status : report->status().nodes())
        if (status.node_id() == node.ToString()) return &status;
      return nullptr;
    }
    return nullptr;
  }

 private:
  void Fetch(v1::FetchCommandsResponse& response) const {
    for (const auto& [id, command] : open) *response.add_commands() = command;
    response.set_next_sequence(last_sequence + 1);
  }

  void Take(const v1::ReportRequest& request, v1::ReportResponse& response) {
    if (request.sequence() <= last_sequence) {
      response.set_ignored(true);
      response.set_next_sequence(last_sequence + 1);
      return;
    }
    last_sequence = request.sequence();
    response.set_next_sequence(last_sequence + 1);
    reports.push_back(request);
    for (const v1::Ack& ack : request.acks()) {
      v1::AckAnswer& answer = *response.add_acks();
      answer.set_command_id(ack.command_id());
      answer.set_attempt(ack.attempt());
      auto found = refused.find(ack.command_id());
      answer.set_accepted(found == refused.end());
      if (found != refused.end()) answer.set_reason(found->second);
      if (answer.accepted()) accepted.push_back(ack.command_id());
      open.erase(ack.command_id());
    }
    for (const v1::Incident& one : request.incidents())
      incidents_processed = std::max(incidents_processed, one.number());
    if (processes_incidents) response.set_incidents_processed(incidents_processed);
    for (const v1::Outcome& outcome : request.outcomes()) {
      outcomes.push_back(outcome);
      v1::OutcomeAnswer& answer = *response.add_outcomes();
      answer.set_command_id(outcome.command_id());
      answer.set_attempt(outcome.attempt());
    }
  }
};

}  // namespace tallyman::agent
