// The public interface of a control room: messages in, messages out.
#pragma once

#include <gtest/gtest.h>

#include <future>
#include <string>
#include <utility>
#include <vector>

#include "api/dispatcher.h"
#include "tallyman/v1/agent.pb.h"
#include "tallyman/v1/audit.pb.h"
#include "tallyman/v1/catalog.pb.h"
#include "tallyman/v1/command.pb.h"
#include "tallyman/v1/event.pb.h"
#include "tallyman/v1/host.pb.h"
#include "tallyman/v1/ledger.pb.h"
#include "tallyman/v1/node.pb.h"
#include "tallyman/v1/org.pb.h"
#include "tallyman/v1/region.pb.h"
#include "tests/support/control_calls.h"

namespace tallyman {

// Amounts of the images and hosts of these tests, in whole units that are easy to add up.
inline Resources Needs(int64_t cores, int64_t memory_gb, int64_t disk_gb) {
  return {cores, memory_gb * kGiga, disk_gb * kGiga};
}

inline Resources FromMessage(const v1::Resources& r) {
  return {r.cpu_cores(), r.memory_bytes(), r.disk_bytes()};
}
inline Books FromMessage(const v1::Books& b) {
  return {b.node_count(), FromMessage(b.allocated())};
}

// Calls through the public interface of `Room`, which is ControlCalls or derived from it.
template <class Room>
class ApiCalls : public Room {
 public:
  using Room::Room;

  // A call as `caller` (an admin of all orgs unless it is set).
  template <class Response, class Request>
  Result<Response> Send(const std::string& method, const Request& request) {
    api::Dispatcher dispatcher(this->Behind());
    std::promise<Result<api::Reply>> promise;
    dispatcher.Dispatch("tallyman.v1." + method, request, {.actor = actor, .address = ""},
                        [&](Result<api::Reply> reply) { promise.set_value(std::move(reply)); });
    auto answer = api::ToMessage(promise.get_future().get());
    if (!answer) return Fail(answer.error());
    return static_cast<Response&>(**answer);
  }

  Result<v1::UpgradeNodesResponse> Upgrade(const std::vector<std::string>& nodes,
                                           const std::string& image,
                                           const std::string& request_id = "",
                                           const std::string& plan_token = "",
                                           bool dry_run = false) {
    v1::UpgradeNodesRequest request;
    for (const std::string& node : nodes) request.add_nodes(node);
    request.set_image(image);
    request.set_request_id(request_id);
    request.set_plan_token(plan_token);
    request.set_dry_run(dry_run);
    return Send<v1::UpgradeNodesResponse>("NodeService/UpgradeNodes", request);
  }

  // A node of chain/full@VERSION on a host by name.
  Result<v1::CreateNodesResponse> Create(
      const std::string& name, const std::string& host, const std::string& version,
      std::vector<std::pair<std::string, std::string>> values = {}) {
    v1::CreateNodesRequest request;
    request.set_image("chain/full@" + version);
    request.set_org("acme");
    request.set_name(name);
    auto* on = request.mutable_by_hosts()->add_hosts();
    on->set_host(host);
    on->set_count(1);
    for (auto& [key, value] : values) (*request.mutable_values())[key] = value;
    return Send<v1::CreateNodesResponse>("NodeService/CreateNodes", request);
  }

  Result<v1::UpdateNodeResponse> Set(const std::string& node, const std::string& key,
                                     const std::string& value) {
    v1::UpdateNodeRequest request;
    request.set_node(node);
    (*request.mutable_set_values())[key] = value;
    return Send<v1::UpdateNodeResponse>("NodeService/UpdateNode", request);
  }

  Result<v1::DeleteNodesResponse> Delete(const std::string& node) {
    v1::DeleteNodesRequest request;
    request.add_nodes(node);
    return Send<v1::DeleteNodesResponse>("NodeService/DeleteNodes", request);
  }

  v1::Node Node(const std::string& name) {
    v1::GetNodeRequest request;
    request.set_node(name);
    auto answer = Send<v1::GetNodeResponse>("NodeService/GetNode", request);
    EXPECT_TRUE(answer.has_value()) << (answer ? "" : answer.error().message);
    return answer ? answer->node() : v1::Node();
  }

  v1::Host Host(const std::string& name) {
    v1::GetHostRequest request;
    request.set_host(name);
    auto answer = Send<v1::GetHostResponse>("HostService/GetHost", request);
    EXPECT_TRUE(answer.has_value()) << (answer ? "" : answer.error().message);
    return answer ? answer->host() : v1::Host();
  }

  std::vector<v1::Event> Events(const std::string& filter) {
    v1::ListEventsRequest request;
    request.set_filter(filter);
    auto answer = Send<v1::ListEventsResponse>("EventService/ListEvents", request);
    EXPECT_TRUE(answer.has_value()) << (answer ? "" : answer.error().message);
    if (!answer) return {};
    return {answer->events().begin(), answer->events().end()};
  }

  std::vector<v1::Command> Commands(const std::string& filter) {
    v1::ListCommandsRequest request;
    request.set_filter(filter);
    auto answer = Send<v1::ListCommandsResponse>("CommandService/ListCommands", request);
    EXPECT_TRUE(answer.has_value()) << (answer ? "" : answer.error().message);
    if (!answer) return {};
    return {answer->commands().begin(), answer->commands().end()};
  }

  // The host's payload, which lists omit.
  std::string Payload(const v1::Command& command) {
    v1::GetCommandRequest request;
    request.set_command_id(command.id());
    auto answer = Send<v1::GetCommandResponse>("CommandService/GetCommand", request);
    EXPECT_TRUE(answer.has_value()) << (answer ? "" : answer.error().message);
    return answer ? answer->command().payload() : "";
  }

  v1::ListLedgerResponse Ledger(const std::string& host) {
    v1::ListLedgerRequest request;
    request.set_host(host);
    auto answer = Send<v1::ListLedgerResponse>("LedgerService/ListLedger", request);
    EXPECT_TRUE(answer.has_value()) << (answer ? "" : answer.error().message);
    return answer ? *answer : v1::ListLedgerResponse();
  }

  v1::RunAuditResponse RunAudit() {
    auto answer = Send<v1::RunAuditResponse>("AuditService/RunAudit", v1::RunAuditRequest());
    EXPECT_TRUE(answer.has_value()) << (answer ? "" : answer.error().message);
    return answer ? *answer : v1::RunAuditResponse();
  }

  Result<v1::RepairDriftResponse> Repair(bool dry_run = false) {
    v1::RepairDriftRequest request;
    request.set_dry_run(dry_run);
    return Send<v1::RepairDriftResponse>("AuditService/RepairDrift", request);
  }

  // The host of that name speaks: with a token of its own, and for itself only.
  template <class Response, class Request>
  Result<Response> SendAsHost(const std::string& host, const std::string& method,
                              const Request& request) {
    Actor speaker{
        .id = "agent." + host, .role = Role::kHost, .host_id = HostId::Parse(Host(host).id())};
    std::swap(actor, speaker);
    auto answer = Send<Response>("AgentService/" + method, request);
    std::swap(actor, speaker);
    return answer;
  }

  // What the node's host is told to do, the oldest command of the node alone.
  struct Told {
    v1::HandedCommand command;  // without an id: nothing
    int64_t next_sequence = 1;
  };
  Told Fetch(const v1::Node& node) {
    auto answer = SendAsHost<v1::FetchCommandsResponse>(node.host(), "FetchCommands",
                                                        v1::FetchCommandsRequest());
    EXPECT_TRUE(answer.has_value()) << (answer ? "" : answer.error().message);
    if (!answer) return {};
    Told told{.next_sequence = answer->next_sequence()};
    for (const v1::HandedCommand& command : answer->commands())
      if (command.node_id() == node.id()) told.command = command;
    return told;
  }

  // The node's host takes and carries out all that it is told of the node.
  void Obey(const std::string& name) {
    const v1::Node node = Node(name);
    for (Told told = Fetch(node); !told.command.command_id().empty(); told = Fetch(node)) {
      v1::ReportRequest request;
      request.set_sequence(told.next_sequence);
      v1::Ack& ack = *request.add_acks();
      ack.set_command_id(told.command.command_id());
      ack.set_attempt(told.command.attempt());
      v1::Outcome& outcome = *request.add_outcomes();
      outcome.set_command_id(told.command.command_id());
      outcome.set_attempt(told.command.attempt());
      outcome.set_result(v1::OUTCOME_RESULT_OK);
      outcome.set_running_config_id(told.command.config_id());
      auto answer = SendAsHost<v1::ReportResponse>(node.host(), "Report", request);
      ASSERT_TRUE(answer.has_value()) << answer.error().message;
      ASSERT_EQ(answer->acks(0).reason(), "");
      ASSERT_EQ(answer->outcomes(0).reason(), "");
    }
  }

  // The node's host says what is there of it, with nothing in motion: this config, or nothing.
  void Report(const std::string& name, const std::string& config_id) {
    const v1::Node node = Node(name);
    v1::ReportRequest request;
    request.set_sequence(Fetch(node).next_sequence);
    v1::NodeStatus& status = *request.mutable_status()->add_nodes();
    status.set_node_id(node.id());
    status.set_config_id(config_id);
    if (!config_id.empty()) status.set_run_state(v1::RUN_STATE_RUNNING);
    auto answer = SendAsHost<v1::ReportResponse>(node.host(), "Report", request);
    ASSERT_TRUE(answer.has_value()) << answer.error().message;
    EXPECT_FALSE(answer->ignored());
  }

  void ExpectBalanced() {
    auto audit = RunAudit();
    // Only of the books: each test checks the reports of machines.
    EXPECT_EQ(audit.total_drifts(), 0) << audit.DebugString();
    EXPECT_GT(audit.host_count(), 0);
  }

  Actor actor{.id = "tester", .role = Role::kAdmin};
};

// What an Error is expected to be; prints it when it is not.
#define EXPECT_REFUSED(result, wanted_code, wanted_reason)                          \
  do {                                                                              \
    const auto& refused_ = (result);                                                \
    ASSERT_FALSE(refused_.has_value()) << "was to be refused: " << (wanted_reason); \
    EXPECT_EQ(refused_.error().code, wanted_code) << refused_.error().message;      \
    EXPECT_EQ(refused_.error().reason, wanted_reason) << refused_.error().message;  \
  } while (false)
#define ASSERT_OK(result)                                                               \
  do {                                                                                  \
    const auto& accepted_ = (result);                                                   \
    ASSERT_TRUE(accepted_.has_value()) << (accepted_ ? "" : accepted_.error().message); \
  } while (false)

}  // namespace tallyman
