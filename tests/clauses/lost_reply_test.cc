// A commit whose reply is lost: it happened or it did not. The request id tells, and nothing
// happens twice.
#include <deque>

#include "support/api_room.h"

namespace tallyman {
namespace {

using namespace tallyman::control;
using namespace tallyman::store;

// What becomes of one write: as it is; committed, and its reply lost; lost before it was committed;
// never begun, with the next of `refusals`, the last of which stays.
enum class Fate { kPlain, kReplyLost, kRequestLost, kRefused };

class UnsureStore final : public Store {
 public:
  explicit UnsureStore(Store& store) : store_(store) {}

  Status Read(const std::function<Status(ReadTx&)>& body) override { return store_.Read(body); }
  Status Together(const std::function<Result<bool>(Store& within)>& body) override {
    return store_.Together(body);
  }
  Result<std::optional<Time>> Now() override { return store_.Now(); }
  Status Write(const std::function<Status(WriteTx&)>& body) override {
    Fate fate = Fate::kPlain;
    if (!fates.empty()) {
      fate = fates.front();
      fates.pop_front();
    }
    if (fate == Fate::kRefused) {
      Error refusal = refusals.front();
      if (refusals.size() > 1) refusals.pop_front();
      return Fail(std::move(refusal));
    }
    if (fate != Fate::kRequestLost) {
      Status status = store_.Write(body);
      if (fate == Fate::kPlain || !status) return status;
    }
    return Fail(Error(Code::kUnavailable, "COMMIT_UNKNOWN", "the reply was lost"));
  }

  std::deque<Fate> fates;  // of the next writes
  std::deque<Error> refusals{{Code::kUnavailable, "DATABASE_UNREACHABLE", "nobody answers"}};

 private:
  Store& store_;
};

class LostReply : public testing::Test {
 protected:
  void SetUp() override {
    room.AddFleet(1);
    room.AddImage("1.0.0", Needs(2, 4, 100));
    room.AddImage("2.0.0", Needs(4, 8, 200));
    ASSERT_OK(room.Create("a", "host-1", "1.0.0"));
    ControlOptions options;
    options.patience = std::chrono::milliseconds(30);
    control =
        std::make_unique<Control>(unsure, room.clock, room.random, room.log, room.metrics, options);
  }

  Result<std::string> Upgrade(const std::string& request_id = "") {
    struct Call call = room.As("NodeService/UpgradeNodes");
    call.request_id = request_id;
    call.body_digest = "upgrade a";
    UpgradeNodesRequest request{.nodes = {"a"}, .image = "chain/full@2.0.0"};
    std::promise<Result<std::string>> promise;
    control::Run(
        *control, std::move(call), UpgradeNodes, request,
        [](const Changes&) { return std::string("done"); },
        [&](Result<std::string> answer) { promise.set_value(std::move(answer)); });
    return promise.get_future().get();
  }
  void ExpectUpgradedOnce() {
    EXPECT_EQ(room.Node("a").version(), 2);
    EXPECT_EQ(room.Ledger("host-1").entries_size(), 2);
    EXPECT_EQ(room.Commands("node=a kind=node_upgrade").size(), 1u);
    room.ExpectBalanced();
  }

  // The reply to a commit is lost, and every run afterwards fails so.
  void ExpectUnknownWhile(std::deque<Error> refusals) {
    unsure.refusals = std::move(refusals);
    unsure.fates = {Fate::kReplyLost};
    unsure.fates.resize(10, Fate::kRefused);
    EXPECT_REFUSED(Upgrade("one-id"), Code::kUnavailable, "COMMIT_UNKNOWN");
  }
  void ExpectUpgradedOnceWhenAskedAgain() {
    unsure.fates.clear();
    ASSERT_OK(Upgrade("one-id"));
    ExpectUpgradedOnce();
  }

  ApiRoom room;
  UnsureStore unsure{*room.store};
  std::unique_ptr<Control> control;
};

TEST_F(LostReply, ACommitThatHappenedIsAnsweredAndNotRepeated) {
  unsure.fates = {Fate::kReplyLost};
  auto answer = Upgrade();
  ASSERT_OK(answer);
  EXPECT_EQ(*answer, "done");
  ExpectUpgradedOnce();
}

TEST_F(LostReply, ACommitThatDidNotHappenIsMade) {
  unsure.fates = {Fate::kRequestLost};
  ASSERT_OK(Upgrade());
  ExpectUpgradedOnce();
}

TEST_F(LostReply, RepliesMayBeLostAgainAndTheDatabaseMayBeAwayForAWhile) {
  unsure.fates = {Fate::kReplyLost, Fate::kRefused, Fate::kPlain};
  ASSERT_OK(Upgrade());
  ExpectUpgradedOnce();
}

TEST_F(LostReply, WhatStaysUnknownIsSaidSoWithTheRequestIdThatSettlesIt) {
  unsure.fates = {Fate::kReplyLost};
  unsure.fates.resize(10, Fate::kRefused);
  auto answer = Upgrade();
  EXPECT_REFUSED(answer, Code::kUnavailable, "COMMIT_UNKNOWN");
  const std::string id(answer.error().Fact("request_id"));
  ASSERT_FALSE(id.empty());
  EXPECT_NE(answer.error().message.find(id), std::string::npos);
  unsure.fates.clear();
  auto again = Upgrade(id);
  ASSERT_OK(again);
  EXPECT_EQ(*again, "done");
  ExpectUpgradedOnce();
}

// Whatever keeps the lot from a decision says nothing of what the commit before it did.
TEST_F(LostReply, NoFailureOfALaterRunMakesAnUnknownCommitKnown) {
  const Error failures[] = {{Code::kUnavailable, "DATABASE_QUEUE_FULL", ""},
                            {Code::kResourceExhausted, "OUT_OF_MEMORY", ""},
                            {Code::kDeadlineExceeded, "DEADLINE_EXCEEDED", ""},
                            {Code::kInternal, "DATABASE_ERROR", ""},
                            {Code::kFailedPrecondition, "DATABASE_ACCESS_DENIED", ""},
                            {Code::kNotFound, "DATABASE_MISSING", ""},
                            {Code::kDataLoss, "DATABASE_CORRUPT", ""}};
  for (const Error& failure : failures) {
    SCOPED_TRACE(failure.reason);
    ExpectUnknownWhile({failure});
  }
  ExpectUpgradedOnceWhenAskedAgain();
}

TEST_F(LostReply, NeitherDoesASuspicionOfDrift) {
  const Error suspicion(Code::kInternal, "BOOKS_MISMATCH", "");
  const Error away(Code::kUnavailable, "DATABASE_UNREACHABLE", "");
  ExpectUnknownWhile({suspicion, away});
  ExpectUnknownWhile({suspicion});
  ExpectUpgradedOnceWhenAskedAgain();
}

TEST_F(LostReply, ARefusalThatComesAfterwardsIsARefusal) {
  ASSERT_OK(Upgrade());
  unsure.fates = {Fate::kRequestLost};
  EXPECT_REFUSED(Upgrade(), Code::kAlreadyExists, "UPGRADE_SAME_IMAGE");
  ExpectUpgradedOnce();
}

}  // namespace
}  // namespace tallyman
