// Contract, "Reports": numbers, repetition, order, bounds.
#include "lifecycle/host.h"

namespace tallyman {
namespace {

class Reports : public Lifecycle {};

// "each carries the host's next sequence number, older ones are ignored"
TEST_F(Reports, AnOlderReportIsIgnoredWhateverItSays) {
  Upgrade("2.0.0");
  v1::HandedCommand command = host->Take("n");
  v1::ReportRequest late = TestHost::StatusOf(Id(), first, {});
  late.set_sequence(host->last_sequence());
  *late.add_outcomes() =
      TestHost::OutcomeOf(command, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK, first);
  const std::string before = room.Dump();
  v1::ReportResponse answer = host->ReportAs(late);
  EXPECT_TRUE(answer.ignored());
  EXPECT_EQ(answer.next_sequence(), host->last_sequence() + 1);
  EXPECT_EQ(answer.outcomes_size(), 0);
  EXPECT_EQ(room.Dump(), before);
  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_TAKEN);
}

// "doubled ones change nothing"
TEST_F(Reports, ADoubledReportChangesNothing) {
  Upgrade("2.0.0");
  v1::HandedCommand command = host->Take("n");
  v1::ReportRequest report;
  report.set_sequence(host->last_sequence() + 1);
  *report.add_outcomes() = TestHost::OutcomeOf(command, v1::OUTCOME_RESULT_OK, command.config_id());
  EXPECT_FALSE(host->ReportAs(report).ignored());
  const std::string before = room.Dump();
  EXPECT_TRUE(host->ReportAs(report).ignored());
  EXPECT_EQ(room.Dump(), before);
}

// "A host sends an outcome again, with a fresh number, until it is told that it was processed."
TEST_F(Reports, AnOutcomeThatIsSentAgainIsAnsweredAndChangesNoBooks) {
  Upgrade("2.0.0");
  v1::HandedCommand command = host->Take("n");
  EXPECT_EQ(host->Say(command, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK, first), "");
  const int64_t ledger = room.Host("host-1").ledger_seq();
  v1::ReportRequest again;
  *again.add_outcomes() =
      TestHost::OutcomeOf(command, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK, first);
  v1::ReportResponse answer = host->Report(again);
  ASSERT_EQ(answer.outcomes_size(), 1);
  EXPECT_EQ(answer.outcomes(0).reason(), "COMMAND_ENDED");
  EXPECT_EQ(answer.outcomes(0).state(), v1::COMMAND_STATE_REVERTED);
  EXPECT_EQ(room.Host("host-1").ledger_seq(), ledger);
  EXPECT_EQ(CountEvents("upgrade_failed"), 1u);
}

TEST_F(Reports, AcknowledgementsOutcomesAndStatusAreWorkedOffInThisOrder) {
  Upgrade("2.0.0");
  v1::HandedCommand command = host->Fetch("n");
  v1::ReportRequest all = TestHost::StatusOf(Id(), command.config_id(), {});
  v1::Ack& ack = *all.add_acks();
  ack.set_command_id(command.command_id());
  ack.set_attempt(1);
  *all.add_outcomes() = TestHost::OutcomeOf(command, v1::OUTCOME_RESULT_OK, command.config_id());
  v1::ReportResponse answer = host->Report(all);
  EXPECT_TRUE(answer.acks(0).accepted());
  EXPECT_EQ(answer.outcomes(0).reason(), "");
  EXPECT_EQ(answer.outcomes(0).state(), v1::COMMAND_STATE_SETTLED);
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_RUNNING);
  EXPECT_EQ(N().running_config_id(), command.config_id());
}

TEST_F(Reports, ANumberMayBeSkipped) {
  v1::ReportRequest report;
  report.set_sequence(1000);
  EXPECT_EQ(host->ReportAs(report).next_sequence(), 1001);
  EXPECT_EQ(host->FetchAll().next_sequence(), 1001);
  report.set_sequence(999);
  EXPECT_TRUE(host->ReportAs(report).ignored());
}

// A number far ahead would leave the host's own agent none to go on with.
TEST_F(Reports, ANumberFarAheadIsRefused) {
  v1::ReportRequest report;
  for (const int64_t far : {(int64_t{1} << 32) + host->last_sequence() + 1, int64_t{1} << 62,
                            std::numeric_limits<int64_t>::max()}) {
    report.set_sequence(far);
    EXPECT_REFUSED(host->Call<v1::ReportResponse>("Report", report), Code::kInvalidArgument,
                   "INVALID_REPORT");
  }
  host->Status(Id(), first);
}

TEST_F(Reports, HeartbeatsTouchNeitherHostsNorNodes) {
  host->Status(Id(), first);
  const v1::Host before = room.Host("host-1");
  const v1::Node node = N();
  const size_t events = room.Events("").size();
  room.clock.Advance(std::chrono::seconds(30));
  host->Status(Id(), first);
  EXPECT_EQ(room.Host("host-1").version(), before.version());
  EXPECT_EQ(N().version(), node.version());
  EXPECT_EQ(room.Events("").size(), events);
}

TEST_F(Reports, AnUnknownCommandIsAnsweredBesideKnownOnes) {
  Upgrade("2.0.0");
  v1::HandedCommand command = host->Fetch("n");
  v1::ReportRequest report;
  report.add_acks()->set_command_id("00000000-0000-7000-8000-000000000001");
  v1::Ack& ack = *report.add_acks();
  ack.set_command_id(command.command_id());
  ack.set_attempt(1);
  v1::ReportResponse answer = host->Report(report);
  ASSERT_EQ(answer.acks_size(), 2);
  EXPECT_EQ(answer.acks(0).reason(), "COMMAND_UNKNOWN");
  EXPECT_TRUE(answer.acks(1).accepted());
}

TEST_F(Reports, AreBounded) {
  auto refuse = [&](v1::ReportRequest request, const std::string& field) {
    if (request.sequence() == 0) request.set_sequence(host->last_sequence() + 1);
    auto answer = host->Call<v1::ReportResponse>("Report", request);
    ASSERT_FALSE(answer.has_value()) << field;
    EXPECT_EQ(answer.error().code, Code::kInvalidArgument);
    EXPECT_EQ(answer.error().Fact("field"), field) << answer.error().message;
  };
  const std::string before = room.Dump();
  v1::ReportRequest request;
  request.set_sequence(-1);
  refuse(request, "sequence");
  request.set_sequence(INT64_MAX);
  refuse(request, "sequence");
  request = {};
  for (int i = 0; i < 1001; ++i)
    request.add_acks()->set_command_id("00000000-0000-7000-8000-000000000001");
  refuse(request, "acks");
  request = {};
  for (int i = 0; i < 10'001; ++i)
    request.mutable_status()->add_nodes()->set_node_id("00000000-0000-7000-8000-000000000001");
  refuse(request, "status.nodes");
  request = TestHost::StatusOf(Id(), first, {});
  *request.mutable_status()->add_nodes() = request.status().nodes(0);
  refuse(request, "status.nodes");
  request = {};
  v1::Outcome& outcome = *request.add_outcomes();
  outcome.set_command_id("00000000-0000-7000-8000-000000000001");
  refuse(request, "outcomes[0].result");
  outcome.set_result(v1::OUTCOME_RESULT_OK);
  outcome.mutable_retry_after()->set_seconds(8 * 24 * 3600);
  refuse(request, "outcomes.retry_after");
  outcome.clear_retry_after();
  outcome.set_running_config_id("no id");
  refuse(request, "outcomes[0].running_config_id");
  EXPECT_EQ(room.Dump(), before);
}

TEST_F(Reports, WhatChangedSomethingIsInTheAuditTrailAndHeartbeatsAreNot) {
  auto trail = [&] {
    v1::ListRequestsRequest list;
    list.set_filter("method=AgentService/Report");
    auto answer = room.Send<v1::ListRequestsResponse>("AuditService/ListRequests", list);
    EXPECT_TRUE(answer.has_value());
    return answer ? answer->requests_size() : -1;
  };
  const int before = trail();
  host->Status(Id(), first);
  EXPECT_EQ(trail(), before);
  Upgrade("2.0.0");
  host->Take("n");
  EXPECT_EQ(trail(), before + 1);
}

}  // namespace
}  // namespace tallyman
