// What hosts tell beyond the state of their commands: incidents, each counted once, and how their
// nodes are.
#include <gmock/gmock.h>

#include "lifecycle/host.h"
#include "tallyman/v1/token.pb.h"

namespace tallyman {
namespace {

using testing::HasSubstr;

class Incidents : public Lifecycle {
 protected:
  v1::Incident Crash(int64_t number, int64_t count = 1) {
    v1::Incident incident;
    incident.set_number(number);
    incident.set_kind(v1::INCIDENT_KIND_NODE_CRASHED);
    incident.set_node_id(Id());
    incident.mutable_at()->set_seconds(1'700'000'000);
    incident.set_count(count);
    incident.set_message("it does not stay up");
    incident.mutable_end()->set_exit_code(3);
    incident.mutable_end()->set_output("first line\nlast line");
    return incident;
  }
  v1::Incident Of(v1::IncidentKind kind, int64_t number) {
    v1::Incident incident;
    incident.set_number(number);
    incident.set_kind(kind);
    incident.set_count(1);
    if (kind != v1::INCIDENT_KIND_HOST_PROBLEM) incident.set_node_id(Id());
    return incident;
  }
  int64_t Tell(const std::vector<v1::Incident>& incidents) {
    v1::ReportRequest request;
    for (const v1::Incident& incident : incidents) *request.add_incidents() = incident;
    return host->Report(request).incidents_processed();
  }
  void Refuse(const v1::ReportRequest& wrong, const std::string& field) {
    v1::ReportRequest request = wrong;
    request.set_sequence(host->last_sequence() + 1);
    auto answer = host->Call<v1::ReportResponse>("Report", request);
    ASSERT_FALSE(answer.has_value()) << field;
    EXPECT_EQ(answer.error().code, Code::kInvalidArgument);
    EXPECT_EQ(answer.error().Fact("field"), field) << answer.error().message;
  }
  void RefuseIncident(const v1::Incident& wrong, const std::string& field) {
    v1::ReportRequest request;
    *request.add_incidents() = Crash(1);
    *request.add_incidents() = wrong;
    Refuse(request, field);
  }
  v1::NodeStatus& StatusIn(v1::ReportRequest& request) {
    return *request.mutable_status()->mutable_nodes(0);
  }
};

TEST_F(Incidents, BecomeEventsOfTheNodeThatSayAll) {
  EXPECT_EQ(Tell({Crash(1, 3)}), 1);
  const auto events = room.Events("kind=node_crashed");
  ASSERT_EQ(events.size(), 1u);
  const v1::Event& event = events[0];
  EXPECT_EQ(event.node(), "n");
  EXPECT_EQ(event.host(), "host-1");
  EXPECT_EQ(event.org(), N().org());
  EXPECT_EQ(event.cause().actor(), host->actor_id());
  EXPECT_EQ(
      event.message(),
      "node n on host host-1 ended unexpectedly with exit code 3, 3 times: it does not stay up");
  EXPECT_EQ(event.facts().at("count"), "3");
  EXPECT_EQ(event.facts().at("exit_code"), "3");
  EXPECT_EQ(event.facts().at("output"), "first line\nlast line");
  EXPECT_EQ(event.facts().at("at"), "2023-11-14T22:13:20.000000Z");
  EXPECT_EQ(N().reported().crashes(), 3);
}

TEST_F(Incidents, HaveAnEventOfAKindOfTheirOwn) {
  int64_t number = 0;
  std::vector<v1::Incident> all;
  for (const v1::IncidentKind kind :
       {v1::INCIDENT_KIND_NODE_CRASHED, v1::INCIDENT_KIND_NODE_OUT_OF_MEMORY,
        v1::INCIDENT_KIND_NODE_NOT_RESTARTED, v1::INCIDENT_KIND_NODE_UNHEALTHY,
        v1::INCIDENT_KIND_NODE_HEALTHY, v1::INCIDENT_KIND_NODE_DISK_ERROR,
        v1::INCIDENT_KIND_HOST_PROBLEM})
    all.push_back(Of(kind, ++number));
  EXPECT_EQ(Tell(all), 7);
  for (const char* kind : {"node_crashed", "node_out_of_memory", "node_not_restarted",
                           "node_unhealthy", "node_healthy", "node_disk_error", "host_problem"})
    EXPECT_EQ(CountEvents(kind), 1u) << kind;
  EXPECT_EQ(room.Events("kind=host_problem")[0].node(), "");
  EXPECT_EQ(N().reported().crashes(), 1);
  EXPECT_EQ(N().reported().out_of_memory(), 1);
}

TEST_F(Incidents, AreProcessedOnceHoweverOftenTheyAreSent) {
  EXPECT_EQ(Tell({Crash(1), Crash(2)}), 2);
  EXPECT_EQ(Tell({Crash(1), Crash(2)}), 2);
  EXPECT_EQ(Tell({Crash(2), Crash(3), Crash(7)}), 7) << "numbers may have gaps";
  EXPECT_EQ(Tell({}), 7);
  EXPECT_EQ(CountEvents("node_crashed"), 4u);
  EXPECT_EQ(N().reported().crashes(), 4);
}

TEST_F(Incidents, AReportThatIsIgnoredSaysWhatWasProcessed) {
  EXPECT_EQ(Tell({Crash(1)}), 1);
  v1::ReportRequest again;
  again.set_sequence(host->last_sequence());
  *again.add_incidents() = Crash(2);
  const v1::ReportResponse answer = host->ReportAs(again);
  EXPECT_TRUE(answer.ignored());
  EXPECT_EQ(answer.incidents_processed(), 1);
  EXPECT_EQ(CountEvents("node_crashed"), 1u);
}

TEST_F(Incidents, CountFrom1AgainOnceTheHostHasJoinedAgain) {
  EXPECT_EQ(Tell({Crash(1), Crash(9)}), 9);
  v1::CreateTokenRequest token;
  token.set_name("again");
  token.set_role(v1::ROLE_JOIN);
  token.set_host("host-1");
  auto made = room.Send<v1::CreateTokenResponse>("TokenService/CreateToken", token);
  ASSERT_OK(made);
  v1::JoinRequest join;
  join.set_join_token(made->secret());
  join.set_nonce("0123456789abcdef");
  join.mutable_facts()->set_hostname("host-1");
  join.mutable_facts()->mutable_capacity()->set_cpu_cores(8);
  join.mutable_facts()->mutable_capacity()->set_memory_bytes(16 * kGiga);
  join.mutable_facts()->mutable_capacity()->set_disk_bytes(500 * kGiga);
  Actor stranger{.id = "stranger", .role = Role::kJoin};
  std::swap(room.actor, stranger);
  ASSERT_OK(room.Send<v1::JoinResponse>("AgentService/Join", join));
  std::swap(room.actor, stranger);
  EXPECT_EQ(Tell({Crash(1)}), 1);
  EXPECT_EQ(Tell({Crash(1), Crash(2)}), 2);
  EXPECT_EQ(CountEvents("node_crashed"), 4u);
  EXPECT_EQ(N().reported().crashes(), 4) << "what was counted of the node stays";
}

TEST_F(Incidents, OfOthersNodesAreProcessedAndKeptNowhere) {
  ASSERT_OK(room.Create("other", "host-2", "1.0.0"));
  v1::Incident forged = Crash(1);
  forged.set_node_id(room.Node("other").id());
  v1::Incident unknown = Crash(2);
  unknown.set_node_id("00000000-0000-7000-8000-000000000001");
  v1::ReportRequest request;
  *request.add_incidents() = forged;
  *request.add_incidents() = unknown;
  const v1::ReportResponse answer = host->Report(request);
  EXPECT_EQ(answer.incidents_processed(), 2);
  ASSERT_EQ(answer.warnings_size(), 2);
  EXPECT_EQ(answer.warnings(0).reason(), "UNKNOWN_NODE");
  EXPECT_EQ(CountEvents("node_crashed"), 0u);
  EXPECT_FALSE(room.Node("other").has_reported());
}

TEST_F(Incidents, AreBounded) {
  const std::string before = room.Dump();
  v1::Incident wrong = Crash(0);
  RefuseIncident(wrong, "incidents[1].number");
  wrong = Crash(1);
  RefuseIncident(wrong, "incidents[1].number");
  wrong = Crash(INT64_MAX);
  RefuseIncident(wrong, "incidents[1].number");
  wrong = Crash(2, 0);
  RefuseIncident(wrong, "incidents[1].count");
  wrong = Crash(2, 1'000'001);
  RefuseIncident(wrong, "incidents[1].count");
  wrong = Crash(2);
  wrong.clear_kind();
  RefuseIncident(wrong, "incidents[1].kind");
  wrong = Crash(2);
  wrong.clear_node_id();
  RefuseIncident(wrong, "incidents[1].node_id");
  wrong = Crash(2);
  wrong.set_kind(v1::INCIDENT_KIND_HOST_PROBLEM);
  RefuseIncident(wrong, "incidents[1].node_id");
  wrong = Crash(2);
  wrong.set_node_id("no id");
  RefuseIncident(wrong, "incidents[1].node_id");
  wrong = Crash(2);
  wrong.mutable_at()->set_seconds(INT64_MAX);
  RefuseIncident(wrong, "incidents[1].at");
  wrong = Crash(2);
  wrong.mutable_end()->mutable_at()->set_nanos(-1);
  RefuseIncident(wrong, "incidents[1].end.at");
  v1::ReportRequest many;
  for (int64_t i = 1; i <= 1001; ++i) *many.add_incidents() = Crash(i);
  Refuse(many, "incidents");
  v1::ReportRequest status = TestHost::StatusOf(Id(), first, {});
  StatusIn(status).set_restarts(-1);
  Refuse(status, "status.nodes.restarts");
  StatusIn(status).set_restarts(0);
  StatusIn(status).set_disk_used_bytes(-1);
  Refuse(status, "status.nodes.disk_used_bytes");
  StatusIn(status).set_disk_used_bytes(0);
  status.mutable_status()->mutable_reserved()->set_disk_bytes(-1);
  Refuse(status, "status.reserved");
  EXPECT_EQ(room.Dump(), before);
}

TEST_F(Incidents, AreInTheAuditTrail) {
  Tell({Crash(1)});
  v1::ListRequestsRequest list;
  list.set_filter("method=AgentService/Report request_id=" +
                  room.Events("kind=node_crashed")[0].cause().request_id());
  auto trail = room.Send<v1::ListRequestsResponse>("AuditService/ListRequests", list);
  ASSERT_OK(trail);
  EXPECT_EQ(trail->requests_size(), 1);
}

class Told : public Incidents {};

TEST_F(Told, ANodeIsShownAsItsHostSawIt) {
  v1::ReportRequest report = TestHost::StatusOf(Id(), first, {});
  v1::NodeStatus& status = StatusIn(report);
  status.set_health(v1::HEALTH_UNHEALTHY);
  status.set_health_message("its health command hangs");
  status.set_restarts(4);
  status.set_image_digest("sha256:abc");
  status.set_problem("its disk became read-only");
  status.set_disk_used_bytes(5 * kGiga);
  status.mutable_last_end()->set_exit_code(137);
  status.mutable_last_end()->set_signal(9);
  status.mutable_last_end()->set_out_of_memory(true);
  status.mutable_last_end()->mutable_at()->set_seconds(1'700'000'000);
  status.mutable_last_end()->set_output("the last line");
  host->Report(report);
  const v1::Node node = N();
  const v1::ReportedNode& said = node.reported();
  EXPECT_EQ(said.run_state(), v1::RUN_STATE_RUNNING);
  EXPECT_EQ(said.health(), v1::HEALTH_UNHEALTHY);
  EXPECT_EQ(said.health_message(), "its health command hangs");
  EXPECT_EQ(said.restarts(), 4);
  EXPECT_EQ(said.image_digest(), "sha256:abc");
  EXPECT_EQ(said.problem(), "its disk became read-only");
  EXPECT_GE(said.disk_used_bytes(), 5 * kGiga);
  EXPECT_LE(said.disk_used_bytes(), 6 * kGiga);
  EXPECT_EQ(said.last_end().signal(), 9);
  EXPECT_TRUE(said.last_end().out_of_memory());
  EXPECT_EQ(said.last_end().at().seconds(), 1'700'000'000);
  EXPECT_EQ(said.last_end().output(), "the last line");
  EXPECT_TRUE(said.has_since());

  auto list = room.Send<v1::ListNodesResponse>("NodeService/ListNodes", v1::ListNodesRequest());
  ASSERT_OK(list);
  ASSERT_EQ(list->nodes_size(), 1);
  EXPECT_EQ(list->nodes(0).reported().health(), v1::HEALTH_UNHEALTHY);
  EXPECT_EQ(list->nodes(0).reported().problem(), "its disk became read-only");
  EXPECT_EQ(list->nodes(0).reported().restarts(), 4);
}

TEST_F(Told, TextsAreCutAndCutBetweenCharacters) {
  v1::ReportRequest report = TestHost::StatusOf(Id(), first, {});
  std::string text = "x";
  while (text.size() < 4000) text += "\xc3\xa4";
  StatusIn(report).set_health_message(text);
  StatusIn(report).set_problem(text);
  StatusIn(report).set_image_digest(text);
  StatusIn(report).mutable_last_end()->set_output(text);
  report.mutable_status()->set_problem(text);
  v1::Incident crash = Crash(1);
  crash.set_message(text);
  crash.mutable_end()->set_output(text);
  *report.add_incidents() = crash;
  host->Report(report);
  const v1::Node node = N();
  EXPECT_EQ(node.reported().health_message().size(), 999u);
  EXPECT_EQ(node.reported().problem().size(), 999u);
  EXPECT_EQ(node.reported().image_digest().size(), 199u);
  EXPECT_EQ(node.reported().last_end().output().size(), 1999u);
  EXPECT_EQ(room.Host("host-1").reported().problem().size(), 999u);
  const v1::Event event = room.Events("kind=node_crashed")[0];
  EXPECT_EQ(event.facts().at("message").size(), 999u);
  EXPECT_EQ(event.facts().at("output").size(), 1999u);
}

TEST_F(Told, AHostIsShownAsItSeesItself) {
  v1::ReportRequest report = TestHost::StatusOf(Id(), first, {});
  v1::HostStatus& status = *report.mutable_status();
  status.mutable_capacity()->set_disk_bytes(70 * kGiga);
  status.mutable_reserved()->set_disk_bytes(200 * kGiga);
  status.set_thin_disks(true);
  status.set_problem("less than 10 % of the disk is free");
  status.set_agent_version("9.9.9");
  status.set_complete(true);
  host->Report(report);
  const v1::ReportedHost said = room.Host("host-1").reported();
  EXPECT_EQ(said.capacity().disk_bytes(), 70 * kGiga);
  EXPECT_EQ(said.reserved().disk_bytes(), 200 * kGiga);
  EXPECT_TRUE(said.thin_disks());
  EXPECT_EQ(said.problem(), "less than 10 % of the disk is free");
  EXPECT_EQ(said.agent_version(), "9.9.9");
  EXPECT_TRUE(said.has_heard_at());
  EXPECT_TRUE(said.has_status_at());
  status.clear_problem();
  status.clear_thin_disks();
  host->Report(report);
  EXPECT_EQ(room.Host("host-1").reported().problem(), "");
  EXPECT_FALSE(room.Host("host-1").reported().thin_disks());
  EXPECT_EQ(room.Host("host-1").reported().reserved().disk_bytes(), 200 * kGiga);
  EXPECT_FALSE(room.Host("host-2").has_reported());
}

TEST_F(Told, AHeartbeatThatSaysNothingNewWritesNoNode) {
  v1::ReportRequest report = TestHost::StatusOf(Id(), first, {});
  StatusIn(report).set_restarts(2);
  StatusIn(report).mutable_last_end()->set_output("bye");
  StatusIn(report).set_disk_used_bytes(5'000'000'001);
  host->Report(report);
  const auto since = N().reported().since();
  room.clock.Advance(std::chrono::seconds(30));
  StatusIn(report).set_disk_used_bytes(5'000'100'000);
  host->Report(report);
  EXPECT_EQ(N().reported().since().seconds(), since.seconds());
  StatusIn(report).mutable_last_end()->set_output("bye again");
  host->Report(report);
  EXPECT_EQ(N().reported().since().seconds(), since.seconds() + 30);
  EXPECT_EQ(N().reported().last_end().output(), "bye again");
}

// The last release's agent knows none of the new fields.
TEST_F(Told, AReportWithoutTheNewFieldsIsTakenAsBefore) {
  const v1::ReportResponse answer = host->Status(Id(), first);
  EXPECT_EQ(answer.incidents_processed(), 0);
  EXPECT_EQ(answer.warnings_size(), 0);
  const v1::Node node = N();
  EXPECT_EQ(node.node_state(), v1::NODE_STATE_RUNNING);
  EXPECT_EQ(node.reported().run_state(), v1::RUN_STATE_RUNNING);
  EXPECT_FALSE(node.reported().has_last_end());
  EXPECT_EQ(room.Host("host-1").reported().problem(), "");
}

TEST_F(Told, ACommandThatFailedIsAnEventThatSaysWhy) {
  ASSERT_OK(room.Create("m", "host-1", "1.0.0"));
  const v1::HandedCommand command = host->Take("m");
  v1::ReportRequest report;
  v1::Outcome& outcome = *report.add_outcomes();
  outcome = TestHost::OutcomeOf(command, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK);
  outcome.set_message("it exited with code 1:\nno such file");
  host->Report(report);
  const auto events = room.Events("kind=command_failed");
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].message(),
            "node_create of node m on host host-1 failed: node_upgrade_rollback: it exited with "
            "code 1:\nno such file");
  EXPECT_EQ(events[0].facts().at("command_id"), command.command_id());
  EXPECT_EQ(room.Node("m").node_state(), v1::NODE_STATE_FAILED);
}

TEST_F(Told, WhatWasCountedStaysWhenTheHostDoesNotNameTheNode) {
  host->Status(Id(), first);
  Tell({Crash(1, 5)});
  v1::ReportRequest nothing;
  nothing.mutable_status()->set_complete(true);
  host->Report(nothing);
  EXPECT_EQ(N().reported().crashes(), 5);
  EXPECT_FALSE(N().reported().has_since());
}

}  // namespace
}  // namespace tallyman
