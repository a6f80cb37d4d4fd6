// TLS as openssl and curl see it.
#include <gmock/gmock.h>

#include <csignal>
#include <filesystem>

#include "server/http_peer.h"
#include "server/server_process.h"
#include "tests/cli/program.h"

namespace tallyman {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Tls : public ::testing::Test {
 protected:
  void SetUp() override {
    MakeCertificate("first");
    server.UseTls();
    ASSERT_TRUE(server.Start(
        {"--tls-cert", server.PathOf("cert.pem"), "--tls-key", server.PathOf("key.pem")}))
        << server.Log();
  }
  void MakeCertificate(const std::string& name) {
    Ran made = RunProgram(
        "/usr/bin/openssl",
        {"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "2", "-subj", "/CN=" + name, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
         server.PathOf("key.pem"), "-out", server.PathOf("cert.pem")},
        {"HOME=/tmp", "RANDFILE=" + server.PathOf("rnd")});
    ASSERT_EQ(made.status, 0) << made.err;
  }
  Ran Curl(std::vector<std::string> options) {
    options.insert(options.begin(), {"-sS", "--cacert", server.PathOf("cert.pem")});
    options.push_back(server.Url("/healthz"));
    return RunProgram("/usr/bin/curl", options, {});
  }
  // What s_client says of a handshake.
  Ran Openssl(std::vector<std::string> options) {
    options.insert(options.begin(),
                   {"s_client", "-connect", "127.0.0.1:" + std::to_string(server.port())});
    return RunProgram("/usr/bin/openssl", options, {}, "");
  }
  ServerProcess server;
};

TEST_F(Tls, CurlIsServedWhenItKnowsTheCertificate) {
  Ran ran = Curl({});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.out, "ok\n");
  Ran stranger = RunProgram("/usr/bin/curl", {"-sS", server.Url("/healthz")}, {});
  EXPECT_EQ(stranger.status, 60) << "curl trusts nobody unasked";
  Ran call =
      RunProgram("/usr/bin/curl",
                 {"-sS", "--cacert", server.PathOf("cert.pem"), "-H",
                  "Authorization: Bearer " + server.token(), "-H", "Content-Type: application/json",
                  "-d", "{}", server.Url("/tallyman.v1.OrgService/ListOrgs")},
                 {});
  EXPECT_EQ(call.out, "{}") << call.err;
}

TEST_F(Tls, SpeaksTwelveAndThirteenAndNothingOlder) {
  EXPECT_THAT(Openssl({"-tls1_3"}).out, HasSubstr("TLSv1.3, Cipher is TLS_"));
  EXPECT_THAT(Openssl({"-tls1_2"}).out, HasSubstr("TLSv1.2, Cipher is ECDHE-"));
  for (const char* old : {"-tls1_1", "-tls1"}) {
    Ran ran = Openssl({old, "-cipher", "DEFAULT@SECLEVEL=0"});
    EXPECT_THAT(ran.out, HasSubstr("Cipher is (NONE)")) << old;
    EXPECT_NE(ran.status, 0) << old;
  }
  EXPECT_THAT(Openssl({"-tls1_2", "-cipher", "AES128-SHA"}).out, HasSubstr("Cipher is (NONE)"));
}

TEST_F(Tls, ReadsTheCertificateAgainOnSighup) {
  EXPECT_THAT(Openssl({}).out, HasSubstr("CN = first"));
  MakeCertificate("second");
  server.Signal(SIGHUP);
  ASSERT_TRUE(server.LogHas("[reloaded]")) << server.Log();
  EXPECT_THAT(Openssl({}).out, HasSubstr("CN = second"));
  // One that cannot be used leaves the old one in force.
  std::filesystem::resize_file(server.PathOf("key.pem"), 10);
  server.Signal(SIGHUP);
  ASSERT_TRUE(server.LogHas("reload_failed")) << server.Log();
  EXPECT_THAT(Openssl({}).out, HasSubstr("CN = second"));
}

TEST_F(Tls, RefusesPlainHttp) {
  HttpPeer peer(server.port());
  peer.Send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(peer.Receive().status, 0);
  EXPECT_EQ(Curl({}).out, "ok\n");
}

TEST_F(Tls, EndsWhileConnectionsAreOpen) {
  HttpPeer half_open(server.port());  // never shakes hands
  EXPECT_EQ(server.Stop(), 0);
}

TEST_F(Tls, StreamsAndSaysWhenItStops) {
  Ran ran = RunProgram(
      "/bin/bash",
      {"-c", "exec 3< <(printf '\\0\\0\\0\\0\\2{}' | curl -sSN --cacert '" +
                 server.PathOf("cert.pem") + "' -H 'Authorization: Bearer " + server.token() +
                 "' -H 'Content-Type: application/connect+json' --data-binary @- " +
                 server.Url("/tallyman.v1.EventService/WatchEvents") +
                 "); head -c 16 <&3 | tr -d '\\0'; kill -TERM " + std::to_string(server.pid()) +
                 "; cat <&3 | tr -d '\\0'"},
      {"PATH=/usr/bin:/bin"});
  EXPECT_THAT(ran.out, HasSubstr("cursor")) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("SERVER_STOPPING"));
  EXPECT_EQ(server.Wait(), 0);
}

}  // namespace
}  // namespace tallyman
