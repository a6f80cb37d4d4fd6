// Faults of the time after the commit that other control planes have, by their numbers in
// docs/requirements.md.
#include "lifecycle/host.h"

namespace tallyman {
namespace {

class Faults : public Lifecycle {};

TEST_F(Faults, F2_ARollbackOnTheHostRollsTheBooksBack) {
  const auto books = FromMessage(room.Host("host-1").books());
  const auto resources = FromMessage(N().resources());
  Upgrade("2.0.0");
  v1::HandedCommand command = host->Take("n");
  host->Say(command, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK, first);
  EXPECT_EQ(N().image(), "chain/full@1.0.0+1");
  EXPECT_EQ(N().config_id(), first);
  EXPECT_EQ(FromMessage(N().resources()), resources);
  EXPECT_EQ(FromMessage(room.Host("host-1").books()), books);
}

TEST_F(Faults, F3_AfterARollbackTheHostsStatusIsBelieved) {
  Upgrade("2.0.0");
  v1::HandedCommand command = host->Take("n");
  // Before the outcome, and after it.
  EXPECT_EQ(host->Status(Id(), first).warnings_size(), 0);
  host->Say(command, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK, first);
  v1::ReportResponse answer = host->Status(Id(), first, {.run_state = v1::RUN_STATE_STOPPED});
  EXPECT_EQ(answer.warnings_size(), 0);
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_STOPPED);
  // What it would have been is known as well, should it come up after all.
  EXPECT_EQ(host->Status(Id(), command.config_id()).warnings_size(), 0);
  EXPECT_EQ(N().config_id(), command.config_id());
  EXPECT_EQ(ChargedCores(), 6);
}

TEST_F(Faults, F4_BusyTryInAnHourIsTriedInAnHour) {
  Upgrade("2.0.0");
  v1::HandedCommand command = host->Take("n");
  host->Say(command, v1::OUTCOME_RESULT_BLOCKING_JOB_RUNNING, first, 3600);
  room.clock.Advance(std::chrono::minutes(59));
  EXPECT_EQ(host->FetchAll().commands_size(), 0);
  EXPECT_EQ(ChargedCores(), 6);
  room.clock.Advance(std::chrono::minutes(1));
  host->Obey("n");
  EXPECT_EQ(N().running_config_id(), command.config_id());
  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_SETTLED);
}

TEST_F(Faults, F5_AFailedCreateGivesBackOnce) {
  ASSERT_OK(room.Create("m", "host-1", "2.0.0"));
  v1::HandedCommand create = host->Take("m");
  host->Say(create, v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE);
  EXPECT_EQ(ChargedCores(), 2);
  host->Status(room.Node("m").id(), "");
  EXPECT_EQ(ChargedCores(), 2);
  ASSERT_OK(room.Delete("m"));
  EXPECT_EQ(ChargedCores(), 2);
  EXPECT_EQ(room.Host("host-1").books().node_count(), 1);
}

TEST_F(Faults, F7_ADeleteThatFailedOnTheHostFreesNothing) {
  ASSERT_OK(room.Delete("n"));
  v1::HandedCommand gone = host->Take("n");
  host->Say(gone, v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE, first);
  EXPECT_EQ(ChargedCores(), 2);
  EXPECT_EQ(room.Host("host-1").books().node_count(), 1);
  host->Status(Id(), first);
  EXPECT_EQ(ChargedCores(), 2);
}

}  // namespace
}  // namespace tallyman
