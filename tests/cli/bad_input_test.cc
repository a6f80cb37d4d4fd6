// Refused input: the exit status, an error that names what is wrong, and nothing changed.
#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "base/error.h"
#include "tests/cli/program.h"

namespace tallyman {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

struct Refused {
  std::vector<std::string> arguments;
  int status;
  const char* reason;
  const char* message;
};

class BadInputTest : public ProgramTest {
 protected:
  // Each is refused as said and leaves the database as it is.
  void ExpectRefused(const std::vector<Refused>& cases) const {
    const std::string before = Dump();
    for (const Refused& refused : cases) {
      std::string line;
      for (const std::string& argument : refused.arguments) line += " " + argument.substr(0, 100);
      const Ran ran = Tallyman(refused.arguments);
      EXPECT_EQ(ran.status, refused.status) << line << "\n" << ran.out << ran.err;
      EXPECT_THAT(ran.err, AllOf(HasSubstr("error: "), HasSubstr(refused.reason),
                                 HasSubstr(refused.message)))
          << line;
      EXPECT_LT(ran.err.size(), 2000U) << line;
    }
    EXPECT_EQ(Dump(), before);
  }
};

TEST_F(BadInputTest, UnknownNamesAndIds) {
  CreateSmallFleet();
  const std::string id = "01890000-0000-7000-8000-000000000000";
  ExpectRefused({
      {{"node", "show", "nope"}, 4, "NODE_NOT_FOUND", "nope"},
      {{"node", "show", id}, 4, "NODE_NOT_FOUND", id.c_str()},
      {{"host", "show", "nope"}, 4, "HOST_NOT_FOUND", "nope"},
      {{"image", "show", "p/v@9.9.9"}, 4, "IMAGE_NOT_FOUND", "p/v@9.9.9"},
      {{"org", "show", "nope"}, 4, "ORG_NOT_FOUND", "nope"},
      {{"command", "show", id}, 4, "NOT_FOUND", id.c_str()},
      {{"ledger", "host", "nope"}, 4, "HOST_NOT_FOUND", "nope"},
      {{"ledger", "node", "nope"}, 4, "NODE_NOT_FOUND", "nope"},
      {{"audit", "--host", "nope"}, 1, "HOST_NOT_FOUND", "nope"},
      {{"node", "upgrade", "n-1", "nope", "--image", "p/v@2.0.0"}, 4, "NODE_NOT_FOUND", "nope"},
      {{"node", "upgrade", "n-1", "--image", "p/v@9.9.9"}, 4, "IMAGE_NOT_FOUND", "p/v@9.9.9"},
      {{"node", "upgrade", "--all-of", "p/none", "--image", "p/v@2.0.0"},
       4,
       "NO_NODE_MATCHES",
       "p/none"},
      {{"node", "create", "--image", "p/v@1.0.0", "--region", "nope"},
       4,
       "REGION_NOT_FOUND",
       "nope"},
      {{"node", "create", "--image", "p/v@1.0.0", "--host", "nope"}, 4, "HOST_NOT_FOUND", "nope"},
      {{"node", "create", "--image", "p/v@1.0.0", "--host", "h1", "--org", "nope"},
       4,
       "ORG_NOT_FOUND",
       "nope"},
      {{"node", "move", "n-1", "--to", "nope"}, 4, "ORG_NOT_FOUND", "nope"},
      {{"node", "delete", "nope", "--yes"}, 4, "NODE_NOT_FOUND", "nope"},
      {{"host", "update", "nope", "--cpu", "3"}, 4, "HOST_NOT_FOUND", "nope"},
      {{"host", "create", "h3", "--region", "nope", "--cpu", "1", "--memory", "1GB", "--disk",
        "1GB"},
       4,
       "REGION_NOT_FOUND",
       "nope"},
  });
}

TEST_F(BadInputTest, WhatIsThereAlready) {
  CreateSmallFleet();
  ExpectRefused({
      {{"org", "create", "acme"}, 5, "ORG_NAME_TAKEN", "acme"},
      {{"region", "create", "eu"}, 5, "REGION_NAME_TAKEN", "eu"},
      {{"protocol", "create", "p"}, 5, "PROTOCOL_KEY_TAKEN", "p"},
      {{"host", "create", "h1", "--region", "eu", "--cpu", "1", "--memory", "1GB", "--disk", "1GB"},
       5,
       "HOST_NAME_TAKEN",
       "h1"},
      {{"node", "create", "--image", "p/v@1.0.0", "--host", "h1", "--name", "n-1"},
       5,
       "NODE_NAME_TAKEN",
       "n-1"},
      {{"node", "upgrade", "n-1", "--image", "p/v@1.0.0"}, 5, "UPGRADE_SAME_IMAGE", "n-1"},
  });
}

TEST_F(BadInputTest, AmountsAtAndBeyondTheEdge) {
  CreateSmallFleet();
  auto host = [](const char* cpu, const char* memory,
                 const char* disk) -> std::vector<std::string> {
    return {"host", "create",   "h3",   "--region", "eu", "--cpu",
            cpu,    "--memory", memory, "--disk",   disk};
  };
  auto image = [](const char* cpu, const char* memory) -> std::vector<std::string> {
    return {"image", "create",   "p/v@4.0.0", "--uri",  "i:4", "--cpu",
            cpu,     "--memory", memory,      "--disk", "1GB"};
  };
  ExpectRefused({
      {host("9223372036854775808", "1GB", "1GB"), 2, "INVALID_NUMBER",
       "--cpu is \"9223372036854775808\""},
      {host("1", "9223372036854775808", "1GB"), 2, "INVALID_AMOUNT",
       "--memory is \"9223372036854775808\""},
      {host("1", "1GB", "9223372036854775807kB"), 2, "INVALID_AMOUNT", "--disk is"},
      {host("-1", "1GB", "1GB"), 2, "INVALID_NUMBER", "negative"},
      {host("1", "-1", "1GB"), 2, "INVALID_AMOUNT", "negative"},
      {host("1", "1.5GB", "1GB"), 2, "INVALID_AMOUNT", "fractions"},
      {host("", "1GB", "1GB"), 2, "INVALID_NUMBER", "--cpu"},
      {image("9223372036854775808", "1GB"), 2, "INVALID_NUMBER", "--cpu"},
      {image("-8", "1GB"), 2, "INVALID_NUMBER", "negative"},
      {{"node", "create", "--image", "p/v@1.0.0", "--region", "eu", "--count",
        "9223372036854775808"},
       2,
       "INVALID_NUMBER",
       "--count"},
      {{"node", "create", "--image", "p/v@1.0.0", "--region", "eu", "--count", "-1"},
       2,
       "INVALID_NUMBER",
       "--count"},
      {{"node", "create", "--image", "p/v@1.0.0", "--region", "eu", "--count", "0"},
       2,
       "INVALID_NUMBER",
       "--count"},
      {{"host", "update", "h1", "--expected-version", "-1", "--cpu", "4"},
       2,
       "INVALID_NUMBER",
       "--expected-version"},
      {{"host", "update", "h1", "--expected-version", "9223372036854775807", "--cpu", "4"},
       9,
       "VERSION_MISMATCH",
       "h1"},
  });
}

// 2^63-1 is a number: whether it is taken or refused, nothing wraps and the books stay true.
TEST_F(BadInputTest, TheLargestAmountsNeverWrap) {
  CreateSmallFleet();
  const std::string largest = "9223372036854775807";
  for (const auto& arguments : std::vector<std::vector<std::string>>{
           {"host", "create", "h3", "--region", "eu", "--cpu", largest, "--memory", largest,
            "--disk", largest},
           {"image", "create", "p/v@4.0.0", "--uri", "i", "--cpu", largest, "--memory", largest,
            "--disk", largest},
           {"node", "create", "--image", "p/v@4.0.0", "--host", "h3"},
           {"node", "create", "--image", "p/v@1.0.0", "--region", "eu", "--count", largest},
           {"node", "upgrade", "n-1", "--image", "p/v@4.0.0"}}) {
    const Ran ran = Tallyman(arguments);
    EXPECT_LT(ran.status, 10) << ran.err;
    EXPECT_THAT(ran.err, Not(HasSubstr("unexpected")));
  }
  EXPECT_EQ(Tallyman({"audit"}).status, 0);
  EXPECT_EQ(Sql("SELECT count(*) FROM hosts WHERE node_cpu_cores < 0 OR node_memory_bytes < 0"),
            "0\n");
}

TEST_F(BadInputTest, NamesThatAreNone) {
  CreateSmallFleet();
  const std::string huge(100'000, 'x');
  // Over a server such a request is already longer than the method takes.
  const int huge_status = kViaServer ? 7 : 2;
  const char* huge_reason = kViaServer ? "REQUEST_TOO_LARGE" : "TEXT_TOO_LONG";
  ExpectRefused({
      {{"org", "create", ""}, 2, "INVALID_NAME", "name"},
      {{"org", "create", "a b"}, 2, "INVALID_NAME", "a b"},
      {{"org", "create", "../x"}, 2, "INVALID_NAME", "../x"},
      {{"org", "create", huge},
       huge_status,
       huge_reason,
       kViaServer ? "100042 bytes" : "100000 bytes"},
      {{"org", "create", huge.substr(0, 101)}, 2, "INVALID_NAME", "101 bytes"},
      {{"region", "create", "\xff\xfe"}, 2, "INVALID_TEXT", "\\xff"},
      {{"host", "show", huge}, huge_status, huge_reason, kViaServer ? "GetHost" : "xxx..."},
      {{"node", "create", "--image", "p/v@1.0.0", "--host", "h1", "--name", "a\nb"},
       2,
       "INVALID_NAME",
       "\\x0a"},
      {{"node", "create", "--image", "nonsense", "--host", "h1"},
       2,
       "INVALID_IMAGE_REFERENCE",
       "nonsense"},
      {{"node", "create", "--image", "p/v@1.0.0", "--host", "h1", "--set", "nope=1"},
       2,
       "",
       "nope"},
      {{"node", "list", "--filter", "nope=1"}, 2, "FILTER", "nope"},
      {{"node", "list", "--filter", "name"}, 2, "FILTER", ""},
      {{"node", "list", "--order-by", "nope"}, 2, "ORDER", "nope"},
      {{"node", "list", "--state", "flying"}, 2, "", "flying"},
      {{"events", "--after", "garbage"}, 2, "", ""},
      {{"org", "create", "x", "--request-id", huge},
       huge_status,
       "",
       kViaServer ? "CreateOrg" : "request_id"},
      {{"org", "create", "x", "--actor", std::string("a\x01", 2)},
       2,
       kViaServer ? "" : "INVALID_TEXT",
       "actor"},
  });
}

TEST_F(BadInputTest, EmptyLists) {
  CreateSmallFleet();
  const std::string before = Dump();
  for (const char* verb : {"upgrade", "start", "stop", "restart", "delete", "move", "retry"}) {
    const Ran ran = Tallyman({"node", verb, "--request-id", "x"});
    EXPECT_EQ(ran.status, 2) << verb;
    EXPECT_THAT(ran.err, HasSubstr("error: ")) << verb;
  }
  const Ran empty_name = Tallyman({"node", "upgrade", "", "--image", "p/v@2.0.0"});
  EXPECT_NE(empty_name.status, 0);
  EXPECT_EQ(Dump(), before);
}

TEST_F(BadInputTest, NoRoomNamesNeedAndFree) {
  CreateSmallFleet();
  ExpectRefused({
      {{"node", "create", "--image", "p/v@1.0.0", "--host", "h1", "--count", "4"},
       7,
       "",
       "cpu_cores"},
      {{"node", "create", "--image", "p/v@1.0.0", "--region", "eu", "--count", "100"}, 7, "", ""},
  });
  // An exact fit is room.
  Must({"node", "create", "--image", "p/v@1.0.0", "--host", "h1", "--count", "3"});
}

TEST_F(BadInputTest, ErrorsAreJsonWhenTheAnswerWouldBe) {
  CreateSmallFleet();
  const Ran ran = Tallyman({"node", "show", "nope", "-o", "json"});
  EXPECT_EQ(ran.status, 4);
  EXPECT_THAT(ran.out, IsEmpty());
  const auto error = boost::json::parse(ran.err).at("error");
  EXPECT_EQ(error.at("code").as_string(), "not_found");
  EXPECT_EQ(error.at("exit_status").as_int64(), 4);
}

}  // namespace
}  // namespace tallyman
