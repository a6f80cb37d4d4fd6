// Contract, "Handing out": which commands a host gets, and when it may begin.
#include "lifecycle/host.h"

namespace tallyman {
namespace {

class HandingOut : public Lifecycle {};

TEST_F(HandingOut, GivesACommandUntilItsAcknowledgementIsAccepted) {
  Upgrade("2.0.0");
  v1::HandedCommand command = host->Fetch("n");
  EXPECT_EQ(command.kind(), v1::COMMAND_KIND_UPGRADE);
  EXPECT_EQ(command.attempt(), 1);
  EXPECT_EQ(command.node_id(), Id());
  EXPECT_EQ(command.config_id(), N().config_id());
  EXPECT_NE(command.payload().find("docker://chain:2.0.0"), std::string::npos);
  // The answer may be lost.
  EXPECT_EQ(host->Fetch("n").command_id(), command.command_id());
  EXPECT_EQ(host->Ack(command), "");
  EXPECT_EQ(host->FetchAll().commands_size(), 0);
  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_TAKEN);
}

TEST_F(HandingOut, AnAcknowledgementTakesTheCommandAndShowsOnTheNode) {
  Upgrade("2.0.0");
  EXPECT_EQ(N().next_state(), v1::NEXT_STATE_UPGRADING);
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_RUNNING);
  host->Take("n");
  EXPECT_EQ(N().next_state(), v1::NEXT_STATE_UNSPECIFIED);
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_UPGRADING);
}

// "A command is handed out only when all earlier ones of its node are taken or ended."
TEST_F(HandingOut, ALaterCommandWaitsUntilTheEarlierOneIsTaken) {
  v1::StopNodesRequest stop;
  stop.add_nodes("n");
  ASSERT_OK(room.Send<v1::StopNodesResponse>("NodeService/StopNodes", stop));
  Upgrade("2.0.0");
  v1::HandedCommand earlier = host->Fetch("n");
  EXPECT_EQ(earlier.kind(), v1::COMMAND_KIND_STOP);
  EXPECT_EQ(host->FetchAll().commands_size(), 1);
  EXPECT_EQ(host->Ack(earlier), "");
  EXPECT_EQ(host->Fetch("n").kind(), v1::COMMAND_KIND_UPGRADE);
}

// "A host executes nothing before its ack is accepted": what it says of such a command counts for
// nothing.
TEST_F(HandingOut, AnOutcomeWithoutAnAcceptedAcknowledgementChangesNothing) {
  Upgrade("2.0.0");
  v1::HandedCommand command = host->Fetch("n");
  EXPECT_EQ(host->SayOk(command), "COMMAND_NOT_TAKEN");
  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_OPEN);
  EXPECT_EQ(N().running_config_id(), first);
}

// "An ack is accepted only for an open, taken or unknown command ... else it is refused."
TEST_F(HandingOut, AnAcknowledgementOfWhatHasEndedIsRefused) {
  Upgrade("2.0.0");
  v1::HandedCommand superseded = host->Fetch("n");
  Upgrade("3.0.0");
  EXPECT_EQ(host->Ack(superseded), "COMMAND_ENDED");
  v1::HandedCommand taken = host->Take("n");
  EXPECT_EQ(host->Ack(taken), "");  // once more: the first answer was lost
  EXPECT_EQ(host->Say(taken, v1::OUTCOME_RESULT_INTERNAL_ERROR), "");
  EXPECT_EQ(host->Ack(taken), "");
  EXPECT_EQ(StateOf(taken), v1::COMMAND_STATE_UNKNOWN);
  EXPECT_EQ(host->SayOk(taken), "");
  EXPECT_EQ(host->Ack(taken), "COMMAND_ENDED");
  Upgrade("2.0.0");
  v1::HandedCommand failed = host->Take("n");
  EXPECT_EQ(host->Say(failed, v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE), "");
  EXPECT_EQ(host->Ack(failed), "COMMAND_ENDED");
  EXPECT_EQ(host->SayOk(failed), "COMMAND_ENDED");
  EXPECT_EQ(StateOf(failed), v1::COMMAND_STATE_FAILED);
}

TEST_F(HandingOut, AnAcknowledgementOfAnotherAttemptIsRefused) {
  Upgrade("2.0.0");
  v1::HandedCommand command = host->Fetch("n");
  command.set_attempt(2);
  EXPECT_EQ(host->Ack(command), "ATTEMPT_OUTDATED");
  command.set_attempt(0);
  EXPECT_EQ(host->Ack(command), "ATTEMPT_OUTDATED");
  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_OPEN);
}

TEST_F(HandingOut, AHostGetsAndTakesItsOwnOnly) {
  TestHost other(room, "host-2");
  ASSERT_OK(room.Create("m", "host-2", "1.0.0"));
  Upgrade("2.0.0");
  v1::HandedCommand mine = host->Fetch("n");
  EXPECT_EQ(other.Fetch("n").command_id(), "");
  EXPECT_EQ(other.Ack(mine), "COMMAND_UNKNOWN");
  EXPECT_EQ(other.SayOk(mine), "COMMAND_UNKNOWN");
  auto answer = other.Status(Id(), "");
  ASSERT_EQ(answer.warnings_size(), 1);
  EXPECT_EQ(answer.warnings(0).reason(), "UNKNOWN_NODE");
  EXPECT_EQ(N().running_config_id(), first);
  EXPECT_EQ(StateOf(mine), v1::COMMAND_STATE_OPEN);
}

TEST_F(HandingOut, IsWrittenDownBeforeItIsDone) {
  ASSERT_OK(room.Create("m", "host-1", "1.0.0"));
  EXPECT_NE(host->Fetch("m").command_id(), "");
  // The answer was lost, for all the server knows the host works on it.
  ASSERT_OK(room.Delete("m"));
  EXPECT_EQ(room.Node("m").next_state(), v1::NEXT_STATE_DELETING);
  EXPECT_EQ(ChargedCores(), 4);
  host->Obey("m");
  EXPECT_EQ(ChargedCores(), 2);
}

TEST_F(HandingOut, TakesPagesAndSaysThatThereIsMore) {
  for (const char* name : {"a", "b", "c"}) ASSERT_OK(room.Create(name, "host-1", "1.0.0"));
  v1::FetchCommandsResponse page = host->FetchAll(2);
  EXPECT_EQ(page.commands_size(), 2);
  EXPECT_TRUE(page.more());
  for (const auto& command : page.commands()) EXPECT_EQ(host->Ack(command), "");
  page = host->FetchAll(2);
  EXPECT_EQ(page.commands_size(), 1);
  EXPECT_FALSE(page.more());
  EXPECT_EQ(page.next_sequence(), host->last_sequence() + 1);
}

}  // namespace
}  // namespace tallyman
