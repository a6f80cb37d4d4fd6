// Tokens from the first to the last call with them.
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "base/digest.h"
#include "control/authorize.h"
#include "control/lots/prune_records.h"
#include "control/lots/prune_requests.h"
#include "control/operation.h"
#include "control/tokens/token_writer.h"
#include "tallyman/v1/audit.pb.h"
#include "tallyman/v1/event.pb.h"
#include "tallyman/v1/token.pb.h"
#include "tests/operations/api_room.h"

namespace tallyman {
namespace {

using namespace tallyman::control;
using namespace tallyman::store;

using namespace std::chrono_literals;

class Tokens : public testing::Test {
 protected:
  v1::CreateTokenResponse Make(const std::string& text) {
    auto answer = api.Must("TokenService/CreateToken", text);
    return static_cast<v1::CreateTokenResponse&>(*answer);
  }
  Result<Actor> Show(const std::string& secret) { return Authenticate(control(), secret); }
  std::string Refusal(const std::string& secret) {
    auto actor = Show(secret);
    if (actor) return "(accepted)";
    EXPECT_EQ(actor.error().code, Code::kUnauthenticated);
    // Nothing of a secret ends up in a message.
    EXPECT_EQ(actor.error().message.find("tallyman_"), std::string::npos);
    return actor.error().reason;
  }
  std::string Reason(const std::string& method, const std::string& text, const Actor& actor) {
    auto answer = api.Call(method, *api.Parse(method, text), actor);
    return answer ? "(done)" : answer.error().reason;
  }
  Actor AdminOf(const std::string& org) {
    Actor actor{.id = "boss", .role = Role::kAdmin};
    EXPECT_TRUE(api.room.store->Read([&](ReadTx& tx) -> Status {
      ASSIGN_OR_RETURN(auto row, tx.FindOrg(org));
      actor.org_id = row->id;
      return {};
    }));
    return actor;
  }
  Control& control() { return *api.room.control; }

  ApiRoom api;
};

TEST_F(Tokens, SayWhoCalls) {
  auto made = Make(R"(name: "ci" role: ROLE_OPERATOR org: "acme")");
  EXPECT_EQ(made.token().name(), "ci");
  EXPECT_EQ(made.token().org(), "acme");
  EXPECT_EQ(made.token().created_by(), "tester");
  auto actor = Show(made.secret());
  ASSERT_TRUE(actor) << actor.error().message;
  EXPECT_EQ(actor->id, "ci");
  EXPECT_EQ(actor->role, Role::kOperator);
  EXPECT_EQ(actor->org_id->ToString(), made.token().org_id());
  EXPECT_EQ(actor->token_id->ToString(), made.token().id());
  auto host = Show(Make(R"(name: "h" role: ROLE_HOST host: "host-1")").secret());
  ASSERT_TRUE(host && host->host_id);
  EXPECT_EQ(host->role, Role::kHost);
}

TEST_F(Tokens, AreNotStored) {
  auto made = Make(R"(name: "ci" role: ROLE_ADMIN request_id: "r-1")");
  const std::string secret = ParseTokenText(made.secret())->secret;
  ASSERT_EQ(secret.size(), 64u);
  const std::string dump = api.Dump();
  EXPECT_EQ(dump.find(secret), std::string::npos);
  EXPECT_NE(dump.find(Sha256Hex(secret)), std::string::npos);
  EXPECT_NE(Make(R"(name: "ci-2" role: ROLE_ADMIN)").secret(), made.secret());
}

TEST_F(Tokens, ShowTheirSecretOnceAlsoWhenTheRequestComesAgain) {
  const std::string text = R"(name: "ci" role: ROLE_VIEWER request_id: "r-1")";
  auto first = Make(text);
  auto again = Make(text);
  EXPECT_FALSE(first.secret().empty());
  EXPECT_EQ(again.secret(), "");
  EXPECT_EQ(again.token().id(), first.token().id());
  EXPECT_TRUE(Show(first.secret()));
}

TEST_F(Tokens, AreRefusedWhenAnythingAboutThemIsWrong) {
  const std::string secret = Make(R"(name: "ci" role: ROLE_ADMIN)").secret();
  EXPECT_EQ(Refusal(""), "INVALID_TOKEN");
  EXPECT_EQ(Refusal("tallyman_"), "INVALID_TOKEN");
  EXPECT_EQ(Refusal(secret + " "), "INVALID_TOKEN");
  for (size_t at : {size_t{9}, size_t{25}, size_t{42}, secret.size() - 1}) {
    std::string other = secret;
    other[at] = other[at] == '0' ? '1' : '0';
    EXPECT_EQ(Refusal(other), "INVALID_TOKEN") << at;
  }
  EXPECT_EQ(Refusal(secret), "(accepted)");
}

TEST_F(Tokens, ExpireAtTheMomentTheySay) {
  auto made = Make(R"(name: "ci" role: ROLE_ADMIN lifetime { seconds: 60 })");
  EXPECT_EQ(made.token().expires_at().seconds() - made.token().created_at().seconds(), 60);
  api.room.clock.Advance(60s - 1us);
  EXPECT_EQ(Refusal(made.secret()), "(accepted)");
  api.room.clock.Advance(1us);
  EXPECT_EQ(Refusal(made.secret()), "TOKEN_EXPIRED");
}

TEST_F(Tokens, AreRevokedAtOnceOnEveryServer) {
  auto made = Make(R"(name: "ci" role: ROLE_ADMIN)");
  // Another server on the same database, which has seen the token in force.
  auto store = api.room.backend->Another();
  Control other(*store, api.room.clock, api.room.random, api.room.log, api.room.metrics);
  ASSERT_TRUE(Authenticate(other, made.secret()));
  api.Must("TokenService/RevokeToken", R"(token: "ci")");
  EXPECT_EQ(Refusal(made.secret()), "TOKEN_REVOKED");
  EXPECT_EQ(Authenticate(other, made.secret()).error().reason, "TOKEN_REVOKED");
  // What is wrong with a token is told to who has its secret only.
  std::string wrong = made.secret();
  wrong.back() = wrong.back() == '0' ? '1' : '0';
  EXPECT_EQ(Refusal(wrong), "INVALID_TOKEN");
}

TEST_F(Tokens, AreRevokedByNameOrIdOnce) {
  auto made = Make(R"(name: "ci" role: ROLE_ADMIN)");
  EXPECT_EQ(Reason("TokenService/RevokeToken", R"(token: "cj")", api.admin), "TOKEN_NOT_FOUND");
  auto pasted = api.Call("TokenService/RevokeToken", "token: \"" + made.secret() + "\"");
  ASSERT_FALSE(pasted);
  EXPECT_EQ(pasted.error().message.find(made.secret().substr(9)), std::string::npos);
  EXPECT_EQ(Reason("TokenService/RevokeToken", "token: \"" + made.token().id() + "\"", api.admin),
            "(done)");
  EXPECT_EQ(Reason("TokenService/RevokeToken", "token: \"" + made.token().id() + "\"", api.admin),
            "TOKEN_REVOKED");
  EXPECT_EQ(Reason("TokenService/RevokeToken", R"(token: "ci")", api.admin), "TOKEN_NOT_FOUND");
  // The name is free again.
  Make(R"(name: "ci" role: ROLE_VIEWER)");
}

TEST_F(Tokens, HandOnNoMoreThanTheirMakerHas) {
  const Actor boss = AdminOf("acme");
  const std::string method = "TokenService/CreateToken";
  EXPECT_EQ(Reason(method, R"(name: "a" role: ROLE_HOST host: "host-1")", boss), "NOT_PERMITTED");
  EXPECT_EQ(Reason(method, R"(name: "b" role: ROLE_JOIN)", boss), "NOT_PERMITTED");
  EXPECT_EQ(Reason(method, R"(name: "c" role: ROLE_ADMIN org: "beta")", boss), "ORG_NOT_FOUND");
  // Without an org it is the maker's, not all.
  auto answer = api.Call(method, *api.Parse(method, R"(name: "d" role: ROLE_ADMIN)"), boss);
  ASSERT_TRUE(answer) << TextOf(answer);
  auto made = static_cast<v1::CreateTokenResponse&>(**answer);
  EXPECT_EQ(made.token().org(), "acme");
  EXPECT_EQ(Show(made.secret())->org_id, boss.org_id);
  // Nor do they take back what is above them.
  Make(R"(name: "top" role: ROLE_ADMIN)");
  EXPECT_EQ(Reason("TokenService/RevokeToken", R"(token: "top")", boss), "TOKEN_NOT_FOUND");
}

TEST_F(Tokens, AreRefusedWithAWordOnWhatIsWrong) {
  const std::string method = "TokenService/CreateToken";
  struct {
    const char* text;
    const char* reason;
  } cases[] = {
      {R"(name: "a")", "NO_ROLE"},
      {R"(role: ROLE_VIEWER)", "INVALID_NAME"},
      {R"(name: "agent.host-1" role: ROLE_VIEWER)", "INVALID_NAME"},
      {R"(name: "join.rack-7" role: ROLE_VIEWER)", "INVALID_NAME"},
      {R"(name: "server" role: ROLE_VIEWER)", "INVALID_NAME"},
      {R"(name: "stranger" role: ROLE_VIEWER)", "INVALID_NAME"},
      {R"(name: "root" role: ROLE_VIEWER)", "INVALID_NAME"},
      {R"(name: "0192f0a5-c6b0-7d3e-a1b2-c3d4e5f60718" role: ROLE_VIEWER)", "INVALID_NAME"},
      {R"(name: "a" role: ROLE_HOST)", "NO_HOST"},
      {R"(name: "a" role: ROLE_HOST host: "nowhere")", "HOST_NOT_FOUND"},
      {R"(name: "a" role: ROLE_HOST host: "host-1" org: "acme")", "HOST_OF_AN_ORG"},
      {R"(name: "a" role: ROLE_VIEWER host: "host-1")", "NOT_A_HOST"},
      {R"(name: "a" role: ROLE_VIEWER org: "nobody")", "ORG_NOT_FOUND"},
      {R"(name: "a" role: ROLE_VIEWER lifetime { })", "INVALID_LIFETIME"},
      {R"(name: "a" role: ROLE_VIEWER lifetime { seconds: -1 })", "INVALID_LIFETIME"},
      {R"(name: "a" role: ROLE_VIEWER lifetime { nanos: -1 })", "INVALID_LIFETIME"},
      {R"(name: "a" role: ROLE_VIEWER lifetime { seconds: 9223372036854775807 })",
       "INVALID_LIFETIME"},
      {R"(name: "a" role: ROLE_VIEWER lifetime { seconds: 315360001 })", "INVALID_LIFETIME"},
      {R"(name: "a" role: ROLE_JOIN lifetime { seconds: 2592001 })", "INVALID_LIFETIME"},
  };
  const std::string before = api.Dump();
  for (const auto& c : cases) EXPECT_EQ(Reason(method, c.text, api.admin), c.reason) << c.text;
  EXPECT_EQ(api.Dump(), before);
  Make(R"(name: "a" role: ROLE_VIEWER)");
  EXPECT_EQ(Reason(method, R"(name: "a" role: ROLE_ADMIN)", api.admin), "TOKEN_NAME_TAKEN");
}

TEST_F(Tokens, AreAskedForUnlessTheMethodIsOpen) {
  auto refused = AuthenticateCall(control(), "NodeService/ListNodes", {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "NO_TOKEN");
  auto open = AuthenticateCall(control(), "AgentService/Join", {});
  ASSERT_TRUE(open);
  EXPECT_EQ(open->role, Role::kJoin);
  // A wrong token is worse than none.
  EXPECT_FALSE(AuthenticateCall(control(), "AgentService/Join", "tallyman_x"));
  const std::string secret = Make(R"(name: "ci" role: ROLE_VIEWER)").secret();
  EXPECT_TRUE(AuthenticateCall(control(), "NodeService/ListNodes", secret));
}

class Joining : public Tokens {
 protected:
  // As the operation of joining does it, for a host that is there.
  Result<MadeToken> Join(const JoinClaim& claim, const std::string& name, bool is_new = false) {
    Call call;
    call.actor = Stranger();
    call.method = "AgentService/Join";
    MadeToken made;
    std::promise<Result<std::string>> promise;
    auto decide = [&](const Authorized& by, const Snapshot&,
                      ReadTx& tx) -> Result<Decided<MadeToken>> {
      Decided<MadeToken> decision;
      ASSIGN_OR_RETURN(auto host, tx.FindHost(name));
      ASSIGN_OR_RETURN(decision.answer, ExchangeJoinToken(control(), by.cause(), tx, claim,
                                                          host->host, is_new, decision.rows));
      return decision;
    };
    auto join = [&](const Authorized&, const JoinClaim&) -> Result<Proposal<MadeToken>> {
      return Proposal<MadeToken>{.solo = true, .decide = decide};
    };
    control::Run(
        control(), call, join, claim,
        [&](const MadeToken& answer) {
          if (!answer.text.empty()) made = answer;
          return std::string();
        },
        [&](Result<std::string> answer) { promise.set_value(std::move(answer)); });
    auto answer = promise.get_future().get();
    if (!answer) return Fail(answer.error());
    return made;
  }
  std::string JoinToken(const std::string& name, const std::string& more = "") {
    return Make("role: ROLE_JOIN name: \"" + name + "\" " + more).secret();
  }
  const std::string nonce = "0123456789abcdef";
};

TEST_F(Joining, GivesTheHostATokenOfItsOwnOnce) {
  const JoinClaim claim{JoinToken("new-rack", R"(host: "host-2")"), nonce};
  auto made = Join(claim, "host-2");
  ASSERT_TRUE(made) << made.error().message;
  auto actor = Show(made->text);
  ASSERT_TRUE(actor);
  EXPECT_EQ(actor->role, Role::kHost);
  EXPECT_EQ(actor->host_id, made->row.token.host_id);
  EXPECT_EQ(actor->id, "agent.host-2");
  auto again = Join({claim.token_text, "another nonce 01"}, "host-2");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().reason, "TOKEN_USED");
  EXPECT_TRUE(Show(made->text));
  EXPECT_EQ(Refusal(claim.token_text), "TOKEN_USED");
}

TEST_F(Joining, AnswersTheSameMachineAgainAndVoidsWhatItWasGivenBefore) {
  const JoinClaim claim{JoinToken("new-rack"), nonce};
  auto lost = Join(claim, "host-2", true);
  ASSERT_TRUE(lost) << lost.error().message;
  auto again = Join(claim, "host-2");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(Refusal(lost->text), "TOKEN_REVOKED");
  EXPECT_TRUE(Show(again->text));
  // It admits the host that it made, and no other.
  EXPECT_EQ(Join(claim, "host-3").error().reason, "JOIN_OF_ANOTHER_HOST");
  EXPECT_EQ(Join(claim, "host-3", true).error().reason, "JOIN_OF_ANOTHER_HOST");
}

TEST_F(Joining, IsOverForTheSameMachineTooWhenTheTokenIsRevoked) {
  auto made = Make(R"(name: "a" role: ROLE_JOIN)");
  const JoinClaim claim{made.secret(), nonce};
  ASSERT_TRUE(Join(claim, "host-2", true));
  EXPECT_EQ(Reason("TokenService/RevokeToken", R"(token: "a")", api.admin), "TOKEN_NOT_FOUND");
  api.Must("TokenService/RevokeToken", "token: \"" + made.token().id() + "\"");
  EXPECT_EQ(Join(claim, "host-2").error().reason, "TOKEN_REVOKED");
}

TEST_F(Joining, AdmitsOnlyTheHostThatTheTokenIsFor) {
  const JoinClaim bound{JoinToken("a", R"(host: "host-2")"), nonce};
  EXPECT_EQ(Join(bound, "host-1").error().reason, "JOIN_OF_ANOTHER_HOST");
  const JoinClaim any{JoinToken("b"), nonce};
  EXPECT_EQ(Join(any, "host-1").error().reason, "JOIN_OF_ANOTHER_HOST");
  EXPECT_TRUE(Join(bound, "host-2"));
  EXPECT_TRUE(Join(any, "host-3", true));
}

TEST_F(Joining, RefusesOtherTokensOldOnesAndNoncesThatAreNone) {
  const std::string join = JoinToken("a");
  EXPECT_EQ(Join({join, "short"}, "host-1", true).error().reason, "INVALID_NONCE");
  EXPECT_EQ(Join({join, std::string(129, 'n')}, "host-1", true).error().reason, "INVALID_NONCE");
  EXPECT_EQ(
      Join({Make(R"(name: "x" role: ROLE_ADMIN)").secret(), nonce}, "host-1", true).error().reason,
      "NOT_A_JOIN_TOKEN");
  EXPECT_EQ(Join({"tallyman_", nonce}, "host-1", true).error().reason, "INVALID_TOKEN");
  api.room.clock.Advance(24h);
  EXPECT_EQ(Join({join, nonce}, "host-1", true).error().reason, "TOKEN_EXPIRED");
  const std::string revoked = JoinToken("b");
  api.Must("TokenService/RevokeToken", R"(token: "b")");
  EXPECT_EQ(Join({revoked, nonce}, "host-1", true).error().reason, "TOKEN_REVOKED");
}

TEST_F(Joining, OfManyMachinesWithOneTokenAdmitsOne) {
  const std::string join = JoinToken("a", R"(host: "host-2")");
  std::atomic<int> admitted{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      if (Join({join, "a nonce of machine " + std::to_string(t)}, "host-2")) ++admitted;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(admitted, 1);
}

class KeepInMemory final : public SecretKeeper {
 public:
  Status Keep(const std::string& token_text) override {
    if (fails) return Fail(Internal("DISK_FULL", "no room"));
    kept = token_text;
    return {};
  }
  void Forget() override { kept.clear(); }
  std::string kept;
  bool fails = false;
};

TEST_F(Tokens, OfTheFirstStartIsMadeWhenThereIsNone) {
  KeepInMemory keeper;
  EXPECT_EQ(EnsureAdminToken(control(), keeper), true);
  auto actor = Show(keeper.kept);
  ASSERT_TRUE(actor);
  EXPECT_EQ(actor->role, Role::kAdmin);
  EXPECT_FALSE(actor->org_id);
  KeepInMemory second;
  EXPECT_EQ(EnsureAdminToken(control(), second), false);
  EXPECT_EQ(second.kept, "");
  // Also when it was revoked since: who did that has a database to make another with.
  api.Must("TokenService/RevokeToken", R"(token: "admin")");
  EXPECT_EQ(EnsureAdminToken(control(), second), false);
}

TEST_F(Tokens, OfTheFirstStartIsNotMadeWhenItsSecretCannotBeKept) {
  KeepInMemory keeper;
  keeper.fails = true;
  const std::string before = api.Dump();
  EXPECT_EQ(EnsureAdminToken(control(), keeper).error().reason, "DISK_FULL");
  EXPECT_EQ(api.Dump(), before);
}

TEST_F(Tokens, OfTheFirstStartIsMadeByOneOfTwoServers) {
  auto store = api.room.backend->Another();
  ControlOptions options;
  options.secrets = &api.room.secrets;
  Control other(*store, api.room.clock, api.room.random, api.room.log, api.room.metrics, options);
  KeepInMemory one, two;
  std::atomic<int> made{0};
  std::thread thread([&] { made += EnsureAdminToken(other, two).value() ? 1 : 0; });
  made += EnsureAdminToken(control(), one).value() ? 1 : 0;
  thread.join();
  EXPECT_EQ(made, 1);
  EXPECT_NE(one.kept.empty(), two.kept.empty());
  EXPECT_TRUE(Show(one.kept + two.kept));
}

TEST_F(Tokens, StandInTheAuditTrailWithWhoAndWhereFrom) {
  auto request = api.Parse("OrgService/CreateOrg", R"(name: "gamma" request_id: "r-7")");
  std::promise<void> answered;
  api.dispatcher.Dispatch(
      "tallyman.v1.OrgService/CreateOrg", *request,
      {.actor = {.id = "ci", .role = Role::kAdmin}, .address = "192.0.2.7:4711"},
      [&](const Result<api::Reply>&) { answered.set_value(); });
  answered.get_future().get();
  auto answer = api.Must("AuditService/ListRequests", R"(filter: "actor=ci")");
  const auto& list = static_cast<v1::ListRequestsResponse&>(*answer);
  ASSERT_EQ(list.requests_size(), 1);
  EXPECT_EQ(list.requests(0).method(), "OrgService/CreateOrg");
  EXPECT_EQ(list.requests(0).address(), "192.0.2.7:4711");
  EXPECT_EQ(list.requests(0).request_id(), "r-7");
  EXPECT_EQ(list.requests(0).body_digest().size(), 64u);
  EXPECT_EQ(list.requests(0).org(), "");
}

TEST_F(Tokens, OfANameThatWasGivenAgainAreNotAnsweredForTheOneBefore) {
  const std::string make = R"(name: "ci" role: ROLE_ADMIN)";
  const std::string org = R"(name: "gamma" request_id: "r-1")";
  const Actor first = Show(Make(make).secret()).value();
  EXPECT_EQ(Reason("OrgService/CreateOrg", org, first), "(done)");
  EXPECT_EQ(Reason("OrgService/CreateOrg", org, first), "(done)");
  api.Must("TokenService/RevokeToken", R"(token: "ci")");
  const Actor second = Show(Make(make).secret()).value();
  EXPECT_EQ(Reason("OrgService/CreateOrg", org, second), "REQUEST_ID_REUSED");
  EXPECT_EQ(Reason("OrgService/CreateOrg", R"(name: "delta" request_id: "r-2")", second), "(done)");

  // The trail tells them apart.
  for (const Actor& actor : {first, second}) {
    auto answer = api.Must("AuditService/ListRequests",
                           "filter: \"token_id=" + actor.token_id->ToString() + "\"");
    const auto& list = static_cast<v1::ListRequestsResponse&>(*answer);
    ASSERT_EQ(list.requests_size(), 1);
    EXPECT_EQ(list.requests(0).token_id(), actor.token_id->ToString());
    EXPECT_EQ(list.requests(0).actor(), "ci");
  }
}

// Rows of before version 6 of the schema, or of an older server that still runs.
TEST_F(Tokens, AreAnsweredFromRowsThatNameNoTokenIfTheyWereThereAlready) {
  const std::string make = R"(name: "ci" role: ROLE_ADMIN)";
  const std::string org = R"(name: "gamma" request_id: "r-1")";
  const Actor first = Show(Make(make).secret()).value();
  EXPECT_EQ(Reason("OrgService/CreateOrg", org, first), "(done)");
  api.Sql("UPDATE requests SET token_id = NULL WHERE request_id = 'r-1'");
  api.room.clock.Advance(1s);
  EXPECT_EQ(Reason("OrgService/CreateOrg", org, first), "(done)");
  api.Must("TokenService/RevokeToken", R"(token: "ci")");
  const Actor second = Show(Make(make).secret()).value();
  EXPECT_EQ(Reason("OrgService/CreateOrg", org, second), "REQUEST_ID_REUSED");
}

class Pruning : public Tokens {
 protected:
  void PassByTheSteadyClock(std::chrono::microseconds time) {
    api.room.clock.Advance(time);
    api.room.clock.Jump(-time);
  }
  // As if it were called every hour for `days`, all on the same date.
  RequestPruner::Report RunFor(RequestPruner& pruner, int days) {
    RequestPruner::Report sum;
    for (int hour = 0; hour < days * 24; ++hour) {
      PassByTheSteadyClock(1h);
      auto report = pruner.Run();
      EXPECT_TRUE(report);
      if (!report) break;
      sum.answers += report->answers;
      sum.rows += report->rows;
      sum.done = report->done;
    }
    return sum;
  }
  std::string CreateOrg(const std::string& name, const std::string& request_id) {
    return Reason("OrgService/CreateOrg",
                  "name: \"" + name + "\" request_id: \"" + request_id + "\"", api.admin);
  }
  int TrailSize() {
    auto answer = api.Must("AuditService/ListRequests", "page_size: 1000");
    return static_cast<v1::ListRequestsResponse&>(*answer).requests_size();
  }
};

TEST_F(Pruning, AnIdIsAnsweredForAWeekAndRefusedAfterwards) {
  EXPECT_EQ(CreateOrg("gamma", "r-1"), "(done)");
  api.room.clock.Advance(std::chrono::days(7) - 1us);
  EXPECT_EQ(CreateOrg("gamma", "r-1"), "(done)");
  api.room.clock.Advance(1us);
  EXPECT_EQ(CreateOrg("gamma", "r-1"), "REQUEST_ID_EXPIRED");
  EXPECT_EQ(CreateOrg("delta", "r-1"), "REQUEST_ID_EXPIRED");
}

TEST_F(Pruning, EmptiesAnswersAfterAWeekAndForgetsRowsAfterTheTrailsTime) {
  RequestPruner pruner(control().store(), control().clock(),
                       {.answers = kAnswersKept, .trail = 30 * 24h});
  const int before = TrailSize();
  EXPECT_EQ(RunFor(pruner, 1).answers, 0);
  api.room.clock.Advance(std::chrono::days(8));
  EXPECT_EQ(CreateOrg("gamma", "young"), "(done)");
  const RequestPruner::Report report = RunFor(pruner, 40);
  EXPECT_TRUE(report.done);
  EXPECT_EQ(report.answers, before);
  EXPECT_EQ(report.rows, 0);
  EXPECT_EQ(TrailSize(), before + 1);
  EXPECT_EQ(CreateOrg("gamma", "young"), "(done)");
  EXPECT_EQ(RunFor(pruner, 1).answers, 0);
  api.room.clock.Advance(std::chrono::days(25));
  EXPECT_EQ(RunFor(pruner, 40).rows, before);
  EXPECT_EQ(TrailSize(), 1);
}

TEST_F(Pruning, IsDoneInPiecesThatAreCalledForAgain) {
  api.room.clock.Advance(std::chrono::days(8));
  for (int i = 0; i < 1200; ++i) {
    api.room.clock.Advance(1us);
    ASSERT_EQ(CreateOrg("org-" + std::to_string(i), "r-" + std::to_string(i)), "(done)");
  }
  api.room.clock.Advance(std::chrono::days(8));
  RequestPruner pruner(control().store(), control().clock(), {});
  int runs = 0;
  int64_t answers = 0;
  for (bool done = false; !done; ++runs) {
    PassByTheSteadyClock(24h);
    auto report = pruner.Run(1);
    ASSERT_TRUE(report && runs < 100);
    answers += report->answers;
    done = report->done && answers == 1200;
  }
  EXPECT_GT(runs, 2);
  EXPECT_EQ(answers, 1200);
}

// One wrong clock does not empty the trail: there is time to notice.
TEST_F(Pruning, TakesNoMoreThanAShareWhateverTheClockSays) {
  for (int i = 0; i < 100; ++i)
    ASSERT_EQ(CreateOrg("org-" + std::to_string(i), "r-" + std::to_string(i)), "(done)");
  const int before = TrailSize();
  RequestPruner pruner(control().store(), control().clock(), {});
  ASSERT_TRUE(pruner.Run());
  api.room.clock.Jump(std::chrono::days(401));
  PassByTheSteadyClock(10min);
  const auto first = pruner.Run();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->rows, 0);
  EXPECT_LE(RunFor(pruner, 1).rows, before / 4);
  PassByTheSteadyClock(std::chrono::days(365));
  const auto after_a_year = pruner.Run();
  ASSERT_TRUE(after_a_year);
  EXPECT_GT(after_a_year->rows, 0);
  EXPECT_LE(after_a_year->rows, before / 20);
  EXPECT_GT(RunFor(pruner, 60).rows, 0);
  EXPECT_EQ(TrailSize(), 0);
}

class Forgetting : public Pruning {
 protected:
  RecordPruner::Report RunRecordsFor(RecordPruner& pruner, int days) {
    RecordPruner::Report sum;
    for (int hour = 0; hour < days * 24; ++hour) {
      PassByTheSteadyClock(1h);
      auto report = pruner.Run();
      EXPECT_TRUE(report);
      if (!report) break;
      sum.events += report->events;
      sum.tokens += report->tokens;
      sum.done = report->done;
    }
    return sum;
  }
  int EventCount() {
    auto answer = api.Must("EventService/ListEvents", "page_size: 1000");
    return static_cast<v1::ListEventsResponse&>(*answer).events_size();
  }
  RecordPruner PrunerOf(RecordRetention retention) {
    return RecordPruner(control().store(), control().clock(), retention);
  }
};

TEST_F(Forgetting, EventsAreKeptForEverUnlessADayIsNamed) {
  const int before = EventCount();
  ASSERT_GT(before, 3);
  api.room.clock.Advance(std::chrono::days(5000));
  RecordPruner for_ever = PrunerOf({});
  EXPECT_EQ(RunRecordsFor(for_ever, 10).events, 0);
  ASSERT_EQ(CreateOrg("gamma", "young"), "(done)");
  RecordPruner bounded = PrunerOf({.events = 24h * 30});
  EXPECT_EQ(RunRecordsFor(bounded, 40).events, before);
  EXPECT_EQ(EventCount(), 1) << "the young one stays";
  EXPECT_TRUE(api.IsBalanced()) << "the books do not rest on events";
}

TEST_F(Forgetting, EndedTokensGoWithTheTrailAndThoseOfAdminsStay) {
  api.Must("TokenService/CreateToken", R"(name: "ended" role: ROLE_VIEWER)");
  api.Must("TokenService/CreateToken",
           R"(name: "short" role: ROLE_VIEWER lifetime { seconds: 60 })");
  api.Must("TokenService/CreateToken", R"(name: "lasting" role: ROLE_VIEWER)");
  api.Must("TokenService/CreateToken", R"(name: "boss" role: ROLE_ADMIN)");
  api.Must("TokenService/RevokeToken", R"(token: "ended")");
  api.Must("TokenService/RevokeToken", R"(token: "boss")");
  auto names = [&] {
    std::set<std::string> all;
    (void)api.room.store->Read([&](store::ReadTx& tx) -> Status {
      ASSIGN_OR_RETURN(auto rows, tx.ListTokens({.order_by = "name", .limit = 100}));
      for (const store::TokenRow& row : rows) all.insert(row.token.name);
      return {};
    });
    return all;
  };
  const std::set<std::string> before = names();
  api.room.clock.Advance(std::chrono::days(399));
  RecordPruner pruner = PrunerOf({});
  EXPECT_EQ(RunRecordsFor(pruner, 5).tokens, 0);
  EXPECT_EQ(names(), before);
  api.room.clock.Advance(std::chrono::days(2));
  EXPECT_EQ(RunRecordsFor(pruner, 20).tokens, 2);
  std::set<std::string> after = before;
  after.erase("ended");
  after.erase("short");
  EXPECT_EQ(names(), after);
}

TEST_F(Forgetting, TakesNoMoreThanAShareWhateverTheClockSays) {
  for (int i = 0; i < 100; ++i)
    ASSERT_EQ(CreateOrg("org-" + std::to_string(i), "r-" + std::to_string(i)), "(done)");
  const int before = EventCount();
  RecordPruner pruner = PrunerOf({.events = 24h});
  ASSERT_TRUE(pruner.Run());
  api.room.clock.Jump(std::chrono::days(1000));
  PassByTheSteadyClock(std::chrono::days(365));
  const auto after_a_year = pruner.Run();
  ASSERT_TRUE(after_a_year);
  EXPECT_GT(after_a_year->events, 0);
  EXPECT_LE(after_a_year->events, before / 20);
  EXPECT_EQ(EventCount(), before - after_a_year->events);
}

}  // namespace
}  // namespace tallyman
