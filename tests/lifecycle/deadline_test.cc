// Contract: "silence past a deadline counted from the ack".
#include <thread>

#include "control/hosts/reports.h"
#include "lifecycle/host.h"

namespace tallyman {
namespace {

using namespace tallyman::control;
using std::chrono::minutes;

class Deadlines : public Lifecycle {
 protected:
  // What the timer of a server does.
  void Expire() { ASSERT_OK(ExpireCommands(*room.control, minutes(10))); }
};

TEST_F(Deadlines, CountFromTheAcknowledgement) {
  Upgrade("3.0.0");
  room.clock.Advance(minutes(60));
  Expire();
  v1::HandedCommand command = host->Take("n");  // commands never taken wait
  room.clock.Advance(minutes(10));
  Expire();
  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_TAKEN);
  room.clock.Advance(std::chrono::microseconds(1));
  Expire();
  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_UNKNOWN);
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_FAILED);
  EXPECT_EQ(ChargedCores(), 1);
  EXPECT_EQ(HeldCores(), 1);
}

TEST_F(Deadlines, CountAnewForANewAttempt) {
  Upgrade("2.0.0");
  v1::HandedCommand command = host->Take("n");
  host->Say(command, v1::OUTCOME_RESULT_BLOCKING_JOB_RUNNING, first, 1200);
  room.clock.Advance(minutes(20));
  Expire();
  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_OPEN);
  command = host->Take("n");
  Expire();
  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_TAKEN);
}

TEST_F(Deadlines, AHostThatSpeaksAfterAllIsBelieved) {
  Upgrade("2.0.0");
  v1::HandedCommand command = host->Take("n");
  room.clock.Advance(minutes(11));
  Expire();
  EXPECT_EQ(host->Ack(command), "");
  host->Status(Id(), first, {.pending = true});
  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_UNKNOWN);
  EXPECT_EQ(host->SayOk(command), "");
  EXPECT_EQ(StateOf(command), v1::COMMAND_STATE_SETTLED);
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_RUNNING);
}

TEST_F(Deadlines, TwoServersMayLookAtOnce) {
  for (int i = 0; i < 6; ++i) ASSERT_OK(room.Create("m-" + std::to_string(i), "host-1", "1.0.0"));
  for (int i = 0; i < 6; ++i) host->Take("m-" + std::to_string(i));
  room.clock.Advance(minutes(11));
  auto store = room.backend->Another();
  Control other(*store, room.clock, room.random, room.log, room.metrics, {});
  std::thread thread([&] {
    while (true) {
      auto more = ExpireCommands(other, minutes(10), 2);
      if (more && !*more) return;
    }
  });
  while (true) {
    auto more = ExpireCommands(*room.control, minutes(10), 2);
    if (more && !*more) break;
  }
  thread.join();
  EXPECT_EQ(room.Commands("state=unknown").size(), 6u);
}

}  // namespace
}  // namespace tallyman
