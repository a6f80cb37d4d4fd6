// The command line as a client of a real server: what only a network brings.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <csignal>

#include "server/server_process.h"
#include "tests/cli/program.h"

namespace tallyman {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class RemoteTest : public ProgramTest {
 protected:
  // The program with this environment and no other.
  Ran With(std::vector<std::string> environment, const std::vector<std::string>& arguments) const {
    environment.emplace_back("PATH=/usr/bin:/bin");
    return RunProgram(TALLYMAN_PROGRAM, arguments, environment);
  }
  std::string Secret(const std::vector<std::string>& arguments) const {
    std::vector<std::string> words = {"-q", "token", "create"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    const std::string out = Must(words).out;
    return out.substr(0, out.find('\n'));
  }
};

TEST_F(RemoteTest, TakesServerAndTokenFromOptionsFilesAndTheEnvironment) {
  CreateSmallFleet();
  const std::string url = server().Url();
  const std::string file = Write("token", server_token() + "\n");
  EXPECT_EQ(With({}, {"org", "list", "--server", url, "--token", server_token()}).status, 0);
  EXPECT_EQ(With({}, {"org", "list", "--server", url, "--token-file", file}).status, 0);
  EXPECT_EQ(
      With({"TALLYMAN_SERVER=" + url, "TALLYMAN_TOKEN=" + server_token()}, {"org", "list"}).status,
      0);
  // What is typed goes before the environment.
  EXPECT_EQ(With({"TALLYMAN_SERVER=http://127.0.0.1:1", "TALLYMAN_TOKEN=wrong"},
                 {"org", "list", "--server", url, "--token-file", file})
                .status,
            0);
  EXPECT_EQ(
      With({"TALLYMAN_SERVER=" + url}, {"org", "list", "--db", "sqlite:" + database()}).status, 0);
  const Ran both =
      With({"TALLYMAN_SERVER=" + url, "TALLYMAN_DB=sqlite:" + database()}, {"org", "list"});
  EXPECT_EQ(both.status, 2);
  EXPECT_THAT(both.err, HasSubstr("AMBIGUOUS_TARGET"));
}

TEST_F(RemoteTest, GoesByContexts) {
  CreateSmallFleet();
  const std::string config = "TALLYMAN_CONFIG=" + PathOf("config/contexts.yaml");
  const std::string file = Write("token", server_token());
  const std::string url = server().Url();
  EXPECT_EQ(With({config}, {"org", "list"}).status, 2);
  EXPECT_EQ(
      With({config}, {"context", "set", "prod", "--server", url, "--token-file", file}).status, 0);
  EXPECT_EQ(With({config}, {"context", "set", "home", "--db", "sqlite:" + database()}).status, 0);
  struct stat about{};
  ASSERT_EQ(::stat(PathOf("config/contexts.yaml").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 07777, 0600u);
  EXPECT_THAT(With({config}, {"context", "list"}).out,
              AllOf(HasSubstr("*  prod"), HasSubstr("home"), HasSubstr(url)));
  EXPECT_EQ(With({config}, {"org", "list"}).status, 0);
  // The database is asked where it is the one that is meant.
  EXPECT_THAT(With({config}, {"db", "check"}).err, HasSubstr("NEEDS_DATABASE"));
  EXPECT_EQ(With({config}, {"context", "use", "home"}).status, 0);
  EXPECT_EQ(With({config}, {"db", "check"}).status, 0);
  EXPECT_EQ(With({config}, {"org", "list", "--context", "prod"}).status, 0);
  const Ran unknown = With({config}, {"context", "use", "prd"});
  EXPECT_EQ(unknown.status, 4);
  EXPECT_THAT(unknown.err, HasSubstr("prod, home"));
}

TEST_F(RemoteTest, SaysWhatIsWrongWithTheTarget) {
  const std::string url = server().Url();
  const Ran down = With({}, {"org", "list", "--server", "http://127.0.0.1:1", "--timeout", "1s"});
  EXPECT_EQ(down.status, 9);
  EXPECT_THAT(down.err, AllOf(HasSubstr("SERVER_UNREACHABLE"), HasSubstr("http://127.0.0.1:1")));
  const Ran without = With({}, {"org", "list", "--server", url});
  EXPECT_EQ(without.status, 6);
  EXPECT_THAT(without.err, AllOf(HasSubstr("NO_TOKEN"), HasSubstr("--token-file")));
  const Ran wrong = With({}, {"org", "list", "--server", url, "--token", "tallyman_wrong"});
  EXPECT_EQ(wrong.status, 6);
  EXPECT_THAT(wrong.err, AllOf(HasSubstr("INVALID_TOKEN"), Not(HasSubstr("tallyman_wrong"))));
  EXPECT_EQ(With({}, {"org", "list", "--server", "nonsense://"}).status, 2);
  EXPECT_THAT(With({}, {"org", "list", "--server", url, "--token-file", PathOf("none")}).err,
              HasSubstr("FILE_NOT_FOUND"));
  EXPECT_THAT(With({}, {"org", "list", "--server", url, "--actor", "me"}).err,
              HasSubstr("--actor"));
  EXPECT_THAT(With({}, {"org", "list", "--db", "sqlite:x", "--ca", "y"}).err, HasSubstr("--ca"));
}

TEST_F(RemoteTest, RolesAndRevocationCountFromTheNextCallOn) {
  CreateSmallFleet();
  const std::string secret = Secret({"eye", "--role", "viewer"});
  const std::vector<std::string> as_eye = {"TALLYMAN_SERVER=" + server().Url(),
                                           "TALLYMAN_TOKEN=" + secret};
  EXPECT_EQ(With(as_eye, {"node", "list"}).status, 0);
  const Ran refused = With(as_eye, {"node", "stop", "n-1"});
  EXPECT_EQ(refused.status, 6);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("NOT_PERMITTED"), HasSubstr("eye")));
  Must({"token", "revoke", "eye"});
  const Ran revoked = With(as_eye, {"node", "list"});
  EXPECT_EQ(revoked.status, 6);
  EXPECT_THAT(revoked.err, HasSubstr("TOKEN_REVOKED"));
  const std::string list = Must({"token", "list"}).out;
  EXPECT_THAT(list, AllOf(HasSubstr("revoked"), Not(HasSubstr(secret.substr(50)))));
}

TEST_F(RemoteTest, TheTokensOfAHostAreRevokedTogether) {
  CreateSmallFleet();
  Secret({"of-h1", "--role", "host", "--host", "h1"});
  Secret({"back-to-h1", "--role", "join", "--host", "h1"});
  Secret({"of-h2", "--role", "host", "--host", "h2"});
  const Ran both = With({"TALLYMAN_SERVER=" + server().Url(), "TALLYMAN_TOKEN=" + server_token()},
                        {"token", "revoke", "of-h1", "--host", "h1"});
  EXPECT_EQ(both.status, 2);
  EXPECT_EQ(Must({"token", "revoke", "--host", "h1"}).out,
            "Revoked token back-to-h1.\nRevoked token of-h1.\n");
  EXPECT_THAT(Must({"token", "list", "--filter", "name=of-h2"}).out, HasSubstr("in force"));
}

TEST_F(RemoteTest, TheTrailSaysWhoAndFromWhere) {
  Must({"org", "create", "acme", "--request-id", "r-1"});
  const std::string trail = Must({"audit", "trail", "--by", "tester"}).out;
  EXPECT_THAT(trail, AllOf(HasSubstr("OrgService/CreateOrg"), HasSubstr("127.0.0.1"),
                           HasSubstr("r-1"), HasSubstr("tester")));
  EXPECT_THAT(Must({"audit", "trail", "--method", "NodeService/StopNodes"}).out,
              HasSubstr("No request matches."));
}

TEST_F(RemoteTest, ASecretIsShownOnce) {
  const std::vector<std::string> create = {"token", "create",       "ci", "--role",
                                           "admin", "--request-id", "r"};
  EXPECT_THAT(Must(create).out, HasSubstr("tallyman_"));
  const Ran again = Tallyman(create);
  EXPECT_EQ(again.status, 8);
  EXPECT_THAT(again.err, HasSubstr("SECRET_SHOWN_BEFORE"));
}

TEST_F(RemoteTest, SpeaksTlsToWhomItTrustsAndToNobodyElse) {
  const auto openssl = [&](const std::string& name) {
    const Ran made = RunProgram("openssl",
                                {"req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                                 "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
                                 "-keyout", PathOf(name + ".key"), "-out", PathOf(name + ".pem")},
                                {"PATH=/usr/bin:/bin"});
    EXPECT_EQ(made.status, 0) << made.err;
  };
  openssl("server");
  openssl("other");
  server().Stop();
  ASSERT_TRUE(
      server().Start({"--tls-cert", PathOf("server.pem"), "--tls-key", PathOf("server.key")}));
  server().UseTls();
  const auto list = [&](const std::string& ca) {
    return With({},
                {"org", "list", "--server", server().Url(), "--token", server_token(), "--ca", ca});
  };
  const Ran trusted = list(PathOf("server.pem"));
  EXPECT_EQ(trusted.status, 0) << trusted.err;
  const Ran stranger = list(PathOf("other.pem"));
  EXPECT_EQ(stranger.status, 9);
  EXPECT_THAT(stranger.err, AllOf(HasSubstr("TLS_FAILED"), HasSubstr("--ca")));
  EXPECT_THAT(list(PathOf("missing.pem")).err, HasSubstr("TLS_FAILED"));
}

}  // namespace
}  // namespace tallyman
