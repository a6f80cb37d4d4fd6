// A host that reports what a test chooses, true or not.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "support/api_room.h"
#include "tallyman/v1/agent.pb.h"

namespace tallyman {

class TestHost {
 public:
  TestHost(ApiRoom& room, std::string name) : room_(room), name_(std::move(name)) {
    id_ = *HostId::Parse(room_.Host(name_).id());
  }

  const HostId& id() const { return id_; }
  std::string actor_id() const { return "agent." + name_; }
  int64_t last_sequence() const { return sequence_; }

  // A call with the host's token.
  template <class Response, class Request>
  Result<Response> Call(const std::string& method, const Request& request) {
    Actor host{.id = actor_id(), .role = Role::kHost, .host_id = id_};
    std::swap(room_.actor, host);
    auto answer = room_.Send<Response>("AgentService/" + method, request);
    std::swap(room_.actor, host);
    return answer;
  }

  v1::FetchCommandsResponse FetchAll(int32_t max_commands = 0) {
    v1::FetchCommandsRequest request;
    request.set_max_commands(max_commands);
    auto answer = Call<v1::FetchCommandsResponse>("FetchCommands", request);
    EXPECT_TRUE(answer.has_value()) << (answer ? "" : answer.error().message);
    return answer ? *answer : v1::FetchCommandsResponse();
  }
  // The waiting command of one node; without an id when there is none.
  v1::HandedCommand Fetch(const std::string& node) {
    const v1::FetchCommandsResponse all = FetchAll();
    for (const v1::HandedCommand& command : all.commands())
      if (command.node() == node) return command;
    return {};
  }

  // Sends a report with the next number.
  v1::ReportResponse Report(v1::ReportRequest request) {
    request.set_sequence(++sequence_);
    return ReportAs(request);
  }
  // Sends it with the number that it has.
  v1::ReportResponse ReportAs(const v1::ReportRequest& request) {
    auto answer = Call<v1::ReportResponse>("Report", request);
    EXPECT_TRUE(answer.has_value()) << (answer ? "" : answer.error().message);
    return answer ? *answer : v1::ReportResponse();
  }

  // Accepted when the answer is empty; else why not.
  std::string Ack(const v1::HandedCommand& command) {
    v1::ReportRequest request;
    v1::Ack& ack = *request.add_acks();
    ack.set_command_id(command.command_id());
    ack.set_attempt(command.attempt());
    const v1::ReportResponse answer = Report(request);
    if (answer.acks_size() != 1) return "(no answer)";
    return answer.acks(0).accepted() ? "" : answer.acks(0).reason();
  }
  // Fetches the command of the node and takes it.
  v1::HandedCommand Take(const std::string& node) {
    v1::HandedCommand command = Fetch(node);
    EXPECT_NE(command.command_id(), "") << "nothing to take for " << node;
    EXPECT_EQ(Ack(command), "");
    return command;
  }

  static v1::Outcome OutcomeOf(const v1::HandedCommand& command, v1::OutcomeResult result,
                               const std::string& running = "", int64_t retry_seconds = 0) {
    v1::Outcome outcome;
    outcome.set_command_id(command.command_id());
    outcome.set_attempt(command.attempt());
    outcome.set_result(result);
    outcome.set_running_config_id(running);
    if (retry_seconds > 0) outcome.mutable_retry_after()->set_seconds(retry_seconds);
    return outcome;
  }
  // Empty: it was processed; else why it changed nothing.
  std::string Say(const v1::HandedCommand& command, v1::OutcomeResult result,
                  const std::string& running = "", int64_t retry_seconds = 0) {
    v1::ReportRequest request;
    *request.add_outcomes() = OutcomeOf(command, result, running, retry_seconds);
    const v1::ReportResponse answer = Report(request);
    if (answer.outcomes_size() != 1) return "(no answer)";
    return answer.outcomes(0).reason();
  }
  std::string SayOk(const v1::HandedCommand& command) {
    return Say(command, v1::OUTCOME_RESULT_OK, command.config_id());
  }

  struct Seen {
    bool pending = false;
    bool remains = false;
    v1::RunState run_state = v1::RUN_STATE_RUNNING;
  };
  static v1::ReportRequest StatusOf(const std::string& node_id, const std::string& config,
                                    const Seen& seen) {
    v1::ReportRequest request;
    v1::NodeStatus& status = *request.mutable_status()->add_nodes();
    status.set_node_id(node_id);
    status.set_config_id(config);
    status.set_pending(seen.pending);
    status.set_remains(seen.remains);
    if (!config.empty()) status.set_run_state(seen.run_state);
    return request;
  }
  // The status of one node.
  v1::ReportResponse Status(const std::string& node_id, const std::string& config,
                            const Seen& seen) {
    return Report(StatusOf(node_id, config, seen));
  }
  v1::ReportResponse Status(const std::string& node_id, const std::string& config) {
    return Status(node_id, config, Seen());
  }

  // Carries out all waiting commands of the node.
  void Obey(const std::string& node) {
    while (true) {
      v1::HandedCommand command = Fetch(node);
      if (command.command_id().empty()) return;
      ASSERT_EQ(Ack(command), "");
      ASSERT_EQ(SayOk(command), "");
    }
  }

 private:
  ApiRoom& room_;
  std::string name_;
  HostId id_;
  int64_t sequence_ = 0;
};

// One host that takes commands, with a node "n" that runs chain/full@1.0.0; images 1.0.0 (2 cores),
// 2.0.0 (6 cores) and 3.0.0 (1 core, but more disk). Every test ends with books that balance.
class Lifecycle : public testing::Test {
 protected:
  void SetUp() override {
    room.AddFleet(2);
    room.AddImage("1.0.0", Needs(2, 4, 100));
    room.AddImage("2.0.0", Needs(6, 8, 200));
    room.AddImage("3.0.0", Needs(1, 2, 400));
    host = std::make_unique<TestHost>(room, "host-1");
    ASSERT_OK(room.Create("n", "host-1", "1.0.0"));
    host->Obey("n");
    first = room.Node("n").config_id();
    ASSERT_EQ(room.Node("n").node_state(), v1::NODE_STATE_RUNNING);
  }
  void TearDown() override { room.ExpectBalanced(); }

  void Upgrade(const std::string& version) {
    ASSERT_OK(room.Upgrade({"n"}, "chain/full@" + version));
  }
  v1::Node N() { return room.Node("n"); }
  std::string Id() { return N().id(); }
  v1::CommandState StateOf(const v1::HandedCommand& command) {
    v1::GetCommandRequest request;
    request.set_command_id(command.command_id());
    auto answer = room.Send<v1::GetCommandResponse>("CommandService/GetCommand", request);
    EXPECT_TRUE(answer.has_value());
    return answer ? answer->command().state() : v1::COMMAND_STATE_UNSPECIFIED;
  }
  int64_t ChargedCores() { return room.Host("host-1").books().allocated().cpu_cores(); }
  int64_t HeldCores() { return room.Host("host-1").held().cpu_cores(); }
  int64_t HeldDiskGb() { return room.Host("host-1").held().disk_bytes() / kGiga; }
  size_t CountEvents(const std::string& kind) { return room.Events("kind=" + kind).size(); }

  ApiRoom room;
  std::unique_ptr<TestHost> host;
  std::string first;  // the config that n runs
};

}  // namespace tallyman
