// Tokens and the audit trail in a store.
#include <atomic>
#include <thread>
#include <vector>

#include "base/time.h"
#include "tests/contract/contract.h"

namespace tallyman {
namespace {

using namespace tallyman::store;

using enum Code;

class TokenContract : public StoreContract {
 protected:
  Token Add(Token token) {
    ChangeSet changes;
    changes.new_tokens = {token};
    Status status = Apply(store(), changes);
    EXPECT_TRUE(status.has_value()) << status.error().message;
    return token;
  }
  std::optional<TokenRow> Find(const std::string& id_or_name) {
    return Read([&](ReadTx& tx) { return tx.FindToken(id_or_name); });
  }
  Status Update(const TokenUpdate& update) {
    ChangeSet changes;
    changes.token_updates = {update};
    return Apply(store(), changes);
  }
  static TokenUpdate Revoke(const Token& token) {
    return {.id = token.id, .revoked_at = FromMicros(7)};
  }
  static TokenUpdate Use(const Token& token, const std::string& nonce) {
    return {.id = token.id, .used_at = FromMicros(8), .nonce_digest = nonce};
  }
  void AddRequest(const std::string& id, int64_t micros) {
    ChangeSet changes;
    changes.requests = {fleet_.Request(id)};
    changes.requests.front().created_at = FromMicros(micros);
    ASSERT_OK(Apply(store(), changes));
  }
  std::string AnswerOf(const std::string& id) {
    LockSet wanted;
    wanted.requests = {fleet_.Request(id).key};
    Snapshot snapshot = Load(wanted);
    return snapshot.requests.empty() ? "(gone)" : snapshot.requests.begin()->second.response;
  }
  Pruned Prune(const PruneQuery& query) {
    return Write([&](WriteTx& tx) { return tx.PruneRequests(query); });
  }
};

TEST_P(TokenContract, OldEventsAndEndedTokensAreForgottenAPieceAtATime) {
  auto forget = [&](const ForgetQuery& query) {
    return Write([&](WriteTx& tx) { return tx.Forget(query); });
  };
  auto events = [&] {
    return Read([&](ReadTx& tx) { return tx.ListEvents({.order_by = "cursor", .limit = 100}); })
        .size();
  };
  const size_t before = events();
  for (int64_t at : {10, 20, 30, 40}) {
    ChangeSet changes;
    Event& event = changes.events.emplace_back();
    event.kind = EventKind::kOrgCreated;
    event.detail = "{}";
    event.created_at = FromMicros(at);
    ASSERT_OK(Apply(store(), changes));
  }
  Token lasting = fleet_.MakeToken("lasting", Role::kViewer);
  Token expired = fleet_.MakeToken("expired", Role::kViewer);
  expired.expires_at = FromMicros(10);
  Token admin = fleet_.MakeToken("boss", Role::kAdmin);
  admin.expires_at = FromMicros(10);
  for (const Token& token : {lasting, expired, admin}) Add(token);
  const RecordCounts counts = Read([](ReadTx& tx) { return tx.CountRecords(); });
  EXPECT_GE(counts.events, static_cast<int64_t>(before) + 4);
  EXPECT_EQ(counts.tokens, 3);
  const Forgotten nothing = forget({});
  EXPECT_EQ(nothing.events + nothing.tokens, 0) << "what is not named stays";
  const Forgotten tokens = forget({.tokens_before = FromMicros(11)});
  EXPECT_EQ(tokens.tokens, 1);
  EXPECT_TRUE(tokens.done);
  EXPECT_FALSE(Find("expired"));
  EXPECT_TRUE(Find("lasting"));
  EXPECT_TRUE(Find("boss"));
  const Forgotten first = forget({.events_before = FromMicros(30), .limit = 1});
  EXPECT_EQ(first.events, 1);
  EXPECT_FALSE(first.done);
  const Forgotten second = forget({.events_before = FromMicros(30), .limit = 3});
  EXPECT_EQ(second.events, 1);
  EXPECT_TRUE(second.done);
  EXPECT_EQ(events(), before + 2);
}

TEST_P(TokenContract, IsReadBackByIdAndByName) {
  Token token = fleet_.MakeToken("deploy", Role::kHost);
  token.host_id = AddHost("rack-1");
  token.org_id = fleet_.org.id;
  token.expires_at = FromMicros(99);
  Add(token);
  for (const std::string& key : {token.id.ToString(), token.name}) {
    auto row = Find(key);
    ASSERT_TRUE(row) << key;
    EXPECT_EQ(row->token.id, token.id);
    EXPECT_EQ(row->token.name, "deploy");
    EXPECT_EQ(row->token.secret_digest, token.secret_digest);
    EXPECT_EQ(row->token.role, Role::kHost);
    EXPECT_EQ(row->token.org_id, token.org_id);
    EXPECT_EQ(row->token.host_id, token.host_id);
    EXPECT_EQ(row->token.created_by, "tester");
    EXPECT_EQ(row->token.created_at, token.created_at);
    EXPECT_EQ(row->token.expires_at, token.expires_at);
    EXPECT_FALSE(row->token.revoked_at);
    EXPECT_FALSE(row->token.used_at);
    EXPECT_EQ(row->org, "acme");
    EXPECT_EQ(row->host, "rack-1");
  }
  EXPECT_FALSE(Find("deplo"));
  EXPECT_FALSE(Find(TokenId{}.ToString()));
}

TEST_P(TokenContract, HasANameOfItsOwnForAsLongAsItIsInForce) {
  Token first = Add(fleet_.MakeToken("ci"));
  ChangeSet second;
  second.new_tokens = {fleet_.MakeToken("ci")};
  ExpectRefused(Apply(store(), second), kAlreadyExists, "TOKEN_NAME_TAKEN");
  // Revoked in the same transaction it makes room.
  second.token_updates = {Revoke(first)};
  ASSERT_OK(Apply(store(), second));
  EXPECT_EQ(Find("ci")->token.id, second.new_tokens.front().id);
  EXPECT_EQ(Find(first.id.ToString())->token.revoked_at, FromMicros(7));
}

TEST_P(TokenContract, IsRevokedAndUsedOnce) {
  Token revoked = Add(fleet_.MakeToken("a"));
  ASSERT_OK(Update(Revoke(revoked)));
  ExpectRefused(Update(Revoke(revoked)), kAborted, "TOKEN_CHANGED");
  ExpectRefused(Update(Use(revoked, "n")), kAborted, "TOKEN_CHANGED");
  Token used = Add(fleet_.MakeToken("b"));
  ASSERT_OK(Update(Use(used, "n")));
  ExpectRefused(Update(Use(used, "other")), kAborted, "TOKEN_CHANGED");
  ExpectRefused(Update(Revoke(used)), kAborted, "TOKEN_CHANGED");
  // The machine that used it is known by its nonce.
  ASSERT_OK(Update(Use(used, "n")));
  EXPECT_EQ(Find(used.id.ToString())->token.nonce_digest, "n");
  EXPECT_FALSE(Find("b"));
}

TEST_P(TokenContract, OfManyThatRaceOneUsesIt) {
  Token token = Add(fleet_.MakeToken("join", Role::kJoin));
  std::atomic<int> winners{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      if (Update(Use(token, "nonce-" + std::to_string(t)))) ++winners;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(winners, 1);
}

TEST_P(TokenContract, ARefusedUpdateTakesTheWholeTransactionWithIt) {
  Token token = Add(fleet_.MakeToken("a"));
  ASSERT_OK(Update(Revoke(token)));
  const std::string before = Everything();
  ChangeSet changes;
  changes.token_updates = {Revoke(token)};
  changes.new_tokens = {fleet_.MakeToken("b")};
  changes.requests = {fleet_.Request("r")};
  ExpectRefused(Apply(store(), changes), kAborted, "TOKEN_CHANGED");
  EXPECT_EQ(Everything(), before);
}

TEST_P(TokenContract, OldAnswersAreEmptiedAndOlderRowsDeleted) {
  for (int i = 0; i < 10; ++i) AddRequest("r" + std::to_string(i), 10 * i);
  Pruned pruned = Prune({.answers_after = FromMicros(0),
                         .answers_before = FromMicros(70),
                         .rows_before = FromMicros(30),
                         .limit = 100});
  EXPECT_TRUE(pruned.done);
  EXPECT_EQ(pruned.rows, 3);
  EXPECT_EQ(pruned.answers, 4);
  const std::string answer = fleet_.Request("").response;
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(AnswerOf("r" + std::to_string(i)), i < 3 ? "(gone)" : i < 7 ? "" : answer) << i;
  }
}

TEST_P(TokenContract, PruningGetsOnPieceByPieceAlsoThroughOneMoment) {
  for (int i = 0; i < 30; ++i) AddRequest("r" + std::to_string(i), i < 15 ? 5 : i);
  PruneQuery query{.answers_after = FromMicros(0),
                   .answers_before = FromMicros(25),
                   .rows_before = FromMicros(6),
                   .limit = 4};
  int64_t rows = 0, answers = 0;
  int pieces = 0;
  for (bool done = false; !done; ++pieces) {
    ASSERT_LT(pieces, 30);
    Pruned pruned = Prune(query);
    rows += pruned.rows;
    answers += pruned.answers;
    query.answers_after = pruned.answers_until;
    done = pruned.done;
  }
  EXPECT_GT(pieces, 3);
  EXPECT_EQ(rows, 15);
  EXPECT_GE(answers, 10);
  EXPECT_EQ(AnswerOf("r24"), "");
  EXPECT_EQ(AnswerOf("r25"), fleet_.Request("").response);
}

TEST_P(TokenContract, TwoMayPruneAtOnce) {
  for (int i = 0; i < 60; ++i) AddRequest("r" + std::to_string(i), i);
  std::atomic<int64_t> rows{0};
  auto work = [&] {
    for (bool done = false; !done;) {
      Pruned pruned = Prune({.answers_after = FromMicros(50),
                             .answers_before = FromMicros(50),
                             .rows_before = FromMicros(50),
                             .limit = 3});
      rows += pruned.rows;
      done = pruned.done;
    }
  };
  std::thread one(work), other(work);
  one.join();
  other.join();
  EXPECT_EQ(rows, 50);
  EXPECT_EQ(Read([](ReadTx& tx) { return tx.ListRequests({}); }).size(), 10u);
}

RUN_ON_ALL_BACKENDS(TokenContract);

}  // namespace
}  // namespace tallyman
