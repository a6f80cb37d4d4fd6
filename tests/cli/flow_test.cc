// The way through the program that a person takes, asserted by what the books say afterwards.
#include <gmock/gmock.h>

#include <algorithm>
#include <boost/json.hpp>

#include "tests/cli/program.h"

namespace tallyman {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class FlowTest : public ProgramTest {
 protected:
  boost::json::value Json(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"-o", "json"});
    return boost::json::parse(Must(arguments).out);
  }
  std::string CpuOf(const std::string& host) const {
    return std::string(
        Json({"host", "show", host}).at_pointer("/host/books/allocated/cpu_cores").as_string());
  }
  static std::string TokenOf(const std::string& out) {
    const size_t at = out.find("plan token: ");
    return at == std::string::npos ? std::string() : out.substr(at + 12, 64);
  }
};

TEST_F(FlowTest, AnUpgradeMovesTheBooksByItsDifference) {
  CreateSmallFleet();
  EXPECT_EQ(CpuOf("h1"), "8");
  const Ran upgraded = Must({"node", "upgrade", "n-1", "--image", "p/v@2.0.0"});
  EXPECT_THAT(upgraded.out,
              AllOf(HasSubstr("8 -> 16 (+8)"), HasSubstr("Upgraded 1 node on 1 host")));
  EXPECT_EQ(CpuOf("h1"), "16");
  EXPECT_EQ(Must({"audit"}).out.substr(0, 9), "Balanced:");
}

TEST_F(FlowTest, APlanTokenAppliesExactlyThatPlan) {
  CreateSmallFleet();
  const std::vector<std::string> upgrade = {"node", "upgrade", "n-1", "--image", "p/v@2.0.0"};
  auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), upgrade.begin(), upgrade.end());
    return more;
  };
  const std::string before = Dump();
  const std::string token = TokenOf(Must(with({"--dry-run"})).out);
  ASSERT_EQ(token.size(), 64U);
  EXPECT_EQ(Dump(), before);
  Must({"node", "create", "--image", "p/v@1.0.0", "--host", "h1", "--name", "n-2"});
  const Ran stale = Tallyman(with({"--plan-token", token}));
  EXPECT_EQ(stale.status, 9);
  EXPECT_THAT(stale.err, HasSubstr("PLAN_STALE"));
  EXPECT_EQ(CpuOf("h1"), "16");
  const std::string fresh = TokenOf(Must(with({"--dry-run"})).out);
  Must(with({"--plan-token", fresh}));
  EXPECT_EQ(CpuOf("h1"), "24");
}

TEST_F(FlowTest, ARequestIdHappensOnce) {
  CreateSmallFleet();
  const std::vector<std::string> create = {"node", "create",  "--image", "p/v@1.0.0",    "--region",
                                           "eu",   "--count", "2",       "--request-id", "once"};
  const Ran first = Must(create);
  EXPECT_EQ(Must(create).out, first.out);
  EXPECT_EQ(Sql("SELECT count(*) FROM nodes"), "3\n");
  std::vector<std::string> other = create;
  other[7] = "3";
  const Ran reused = Tallyman(other);
  EXPECT_EQ(reused.status, 2);
  EXPECT_THAT(reused.err, HasSubstr("REQUEST_ID_REUSED"));
}

TEST_F(FlowTest, TheAuditsExitStatusSaysWhatItFound) {
  CreateSmallFleet();
  EXPECT_EQ(Tallyman({"audit"}).status, 0);
  Sql("UPDATE hosts SET node_cpu_cores = node_cpu_cores + 5 WHERE name = 'h2'");
  const Ran drift = Tallyman({"audit"});
  EXPECT_EQ(drift.status, 3);
  EXPECT_THAT(drift.out, AllOf(HasSubstr("host_books"), HasSubstr("h2"), HasSubstr("-5")));
  EXPECT_EQ(Tallyman({"audit", "--host", "h1"}).status, 0);
  EXPECT_EQ(Tallyman({"audit", "--host", "nope"}).status, 1);

  const std::string before = Dump();
  const Ran shown = Tallyman({"audit", "--repair"});
  EXPECT_EQ(shown.status, 3);
  EXPECT_THAT(shown.out, HasSubstr("nothing was changed"));
  EXPECT_EQ(Dump(), before);

  const Ran repaired = Must({"audit", "--repair", "--yes"});
  EXPECT_THAT(repaired.out, HasSubstr("Corrected 1 number on 1 host"));
  EXPECT_EQ(Tallyman({"audit"}).status, 0);
  EXPECT_THAT(Must({"ledger", "host", "h2"}).out,
              AllOf(HasSubstr("drift_correction"), HasSubstr("The books say the same.")));
}

TEST_F(FlowTest, TheNextUpgradeFindsLogsAndHealsACorruptedCounter) {
  CreateSmallFleet();
  Sql("UPDATE hosts SET node_memory_bytes = 1 WHERE name = 'h1'");
  const Ran upgraded = Must({"node", "upgrade", "n-1", "--image", "p/v@2.0.0"});
  EXPECT_THAT(upgraded.out, HasSubstr("drift that was found and settled"));
  EXPECT_THAT(upgraded.err, HasSubstr("drift_found"));
  EXPECT_EQ(Tallyman({"audit"}).status, 0);
}

TEST_F(FlowTest, TheLedgerExplainsHostAndNodeEntryByEntry) {
  CreateSmallFleet();
  Must({"node", "upgrade", "n-1", "--image", "p/v@2.0.0"});
  Must({"node", "upgrade", "n-1", "--image", "p/v@3.0.0"});
  for (const char* of : {"host", "node"}) {
    const Ran ledger = Must({"ledger", of, *of == 'h' ? "h1" : "n-1"});
    EXPECT_THAT(ledger.out,
                AllOf(HasSubstr("+8 = 8"), HasSubstr("+8 = 16"), HasSubstr("0 = 16"),
                      HasSubstr("3 entries sum up to 1 node, 16 cores, 32 GB memory, 2 TB disk."),
                      HasSubstr("The books say the same.")));
  }
  Sql("UPDATE hosts SET node_count = 7 WHERE name = 'h1'");
  const Ran wrong = Tallyman({"ledger", "host", "h1"});
  EXPECT_EQ(wrong.status, 3);
  EXPECT_THAT(wrong.out, HasSubstr("The books differ"));
}

TEST_F(FlowTest, DeletingAsksForAYes) {
  CreateSmallFleet();
  const std::string before = Dump();
  const Ran asked = Tallyman({"node", "delete", "n-1"});
  EXPECT_EQ(asked.status, 2);
  EXPECT_THAT(asked.err, HasSubstr("NOT_CONFIRMED"));
  EXPECT_EQ(Dump(), before);
  Must({"node", "delete", "n-1", "--yes"});
  EXPECT_EQ(CpuOf("h1"), "0");
}

TEST_F(FlowTest, TheOrgIsChosenWhenThereIsNoDoubt) {
  Must({"region", "create", "eu"});
  Must({"host", "create", "h1", "--region", "eu", "--cpu", "32", "--memory", "64GB", "--disk",
        "8TB"});
  const std::vector<std::string> create = {"node",      "create",   "--image",
                                           "p/v@1.0.0", "--region", "eu"};
  EXPECT_EQ(Tallyman(create).status, 4);
  EXPECT_EQ(Sql("SELECT count(*) FROM orgs"), "0\n") << "a misspelt image makes no org";
  Must({"image", "create", "p/v@1.0.0", "--uri", "i:1", "--cpu", "1", "--memory", "1GB", "--disk",
        "1GB"});
  EXPECT_THAT(Must(create).err, HasSubstr("created one called default"));
  Must(create);
  Must({"org", "create", "other"});
  const Ran several = Tallyman(create);
  EXPECT_EQ(several.status, 2);
  EXPECT_THAT(several.err, HasSubstr("they are default, other"));
}

TEST_F(FlowTest, ABackupIsAWholeDatabase) {
  CreateSmallFleet();
  Must({"db", "backup", PathOf("copy.db")});
  EXPECT_THAT(Must({"--db", "sqlite:" + PathOf("copy.db"), "audit"}).out, HasSubstr("1 node"));
  EXPECT_THAT(Must({"db", "check"}).out, HasSubstr("Sound"));
}

TEST_F(FlowTest, ABackupIsPutInPlaceAndTheOldDatabaseKept) {
  CreateSmallFleet();
  Must({"db", "backup", PathOf("copy.db")});
  const std::string other = "sqlite:" + PathOf("other.db");
  const auto restore = [&](const char* format) {
    return Must({"--db", other, "db", "restore", PathOf("copy.db"), "-o", format}).out;
  };
  EXPECT_THAT(restore("table"), AllOf(HasSubstr("Restored"), Not(HasSubstr("kept"))));
  EXPECT_THAT(restore("table"), HasSubstr("kept as " + PathOf("other.db.replaced-1")));
  EXPECT_THAT(restore("json"), HasSubstr("other.db.replaced-2"));
  EXPECT_THAT(Must({"--db", other, "audit"}).out, HasSubstr("1 node"));
  const Ran ran = Tallyman({"db", "restore", PathOf("copy.db")});
  if (kViaServer) {
    EXPECT_NE(ran.status, 0);
    EXPECT_THAT(ran.err, HasSubstr("DATABASE_IN_USE"));
  } else {
    EXPECT_EQ(ran.status, 0) << ran.err;
  }
  EXPECT_THAT(Must({"audit"}).out, HasSubstr("1 node"));
}

TEST_F(FlowTest, EveryListSpeaksEveryFormat) {
  CreateSmallFleet();
  const std::vector<std::vector<std::string>> lists = {{"org", "list"},
                                                       {"region", "list"},
                                                       {"host", "list"},
                                                       {"protocol", "list"},
                                                       {"image", "list"},
                                                       {"protocol", "versions"},
                                                       {"node", "list"},
                                                       {"command", "list"},
                                                       {"events"},
                                                       {"ledger", "host", "h1"},
                                                       {"audit"},
                                                       {"host", "show", "h1"},
                                                       {"node", "show", "n-1"},
                                                       {"org", "show", "acme"},
                                                       {"image", "show", "p/v@1.0.0"}};
  for (const auto& list : lists) {
    EXPECT_TRUE(Json(list).is_object());
    std::vector<std::string> yaml = list;
    yaml.insert(yaml.end(), {"-o", "yaml"});
    EXPECT_THAT(Must(yaml).out, HasSubstr(":"));
    const Ran table = Must(list);
    EXPECT_THAT(table.out, testing::Not(HasSubstr("\x1b"))) << "no colour without a terminal";
    EXPECT_THAT(table.err, IsEmpty());
  }
}

TEST_F(FlowTest, ListsAreWholeBeyondOnePage) {
  CreateSmallFleet();
  Must({"-q", "host", "update", "h2", "--cpu", "1000", "--memory", "900TB", "--disk", "900PB"});
  const std::string csv = [] {
    std::string text =
        "committed_at,protocol_key,image,variant_key,semantic_version,cpu_cores,memory_mb,disk_"
        "gb\n";
    for (int i = 0; i < 1500; ++i) text += "1,p,i,v,9.0." + std::to_string(i) + ",1,1,1\n";
    return text;
  }();
  Must({"import", "images", Write("many.csv", csv)});
  EXPECT_EQ(Json({"image", "list"}).at("images").as_array().size(), 1503U);
  EXPECT_EQ(Json({"image", "list", "--limit", "1200"}).at("images").as_array().size(), 1200U);
}

TEST_F(FlowTest, EventsCanBeFollowedFromACursor) {
  CreateSmallFleet();
  const auto all = Json({"events"}).at_pointer("/events").as_array();
  ASSERT_GE(all.size(), 4u);
  const std::string second(all.at(1).at_pointer("/id").as_string());
  const Ran followed =
      Must({"-o", "json", "events", "--follow", "--after", second, "--limit", "2"});
  // A document each, one after the other.
  boost::json::stream_parser parser;
  const size_t used = parser.write_some(followed.out);
  EXPECT_EQ(parser.release(), all.at(2));
  EXPECT_EQ(boost::json::parse(followed.out.substr(used)), all.at(3));
  const Ran lines = Must({"events", "-f", "--after", "0", "--kind", "org_created", "--limit", "1"});
  EXPECT_THAT(lines.out, HasSubstr("  org acme was created  by tester\n"));
  EXPECT_EQ(std::ranges::count(lines.out, '\n'), 1);
  EXPECT_THAT(Tallyman({"events", "--follow", "--after", "999"}).err, HasSubstr("INVALID_CURSOR"));
  EXPECT_THAT(Tallyman({"events", "--follow", "--order-by", "time desc"}).err,
              HasSubstr("--order-by is of no use"));
}

}  // namespace
}  // namespace tallyman
