// CSV files: all of one or nothing of it.
#include <gmock/gmock.h>

#include "tests/cli/program.h"

namespace tallyman {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const std::string kImageHeader =
    "committed_at,protocol_key,image,variant_key,semantic_version,cpu_cores,memory_mb,disk_gb\n";
const std::string kHostHeader = "sn,cpu_milli,memory_mib\n";

class ImportTest : public ProgramTest {
 protected:
  Ran Images(const std::string& rows) const {
    return Tallyman({"import", "images", Write("i.csv", kImageHeader + rows)});
  }
  Ran Hosts(const std::string& rows, const std::string& disk_gb = "8000") const {
    return Tallyman({"import", "hosts", Write("h.csv", kHostHeader + rows), "--disk-gb", disk_gb,
                     "--region", "eu"});
  }
};

TEST_F(ImportTest, AFileTakenTwiceIsTakenOnce) {
  const std::string rows = "1,p,i,v_w,1.0.0,8,16000,1500\n2,p,i,v_w,1.0.0,9,16000,1500\n";
  EXPECT_THAT(Images(rows).out,
              HasSubstr("Imported 2 images (1 new protocol, 1 new version), skipped 0"));
  EXPECT_THAT(Images(rows).out, HasSubstr("Imported 0 images"));
  EXPECT_THAT(Must({"image", "list"}).out,
              AllOf(HasSubstr("p/v-w@1.0.0+1"), HasSubstr("p/v-w@1.0.0+2")));
  EXPECT_THAT(Hosts("h1,32000,1024\nh2,32999,1024\n").out,
              HasSubstr("Imported 2 hosts into region eu"));
  EXPECT_THAT(Hosts("h2,32000,1024\nh3,32000,1024\n").out,
              HasSubstr("Imported 1 host into region eu, skipped 1"));
}

TEST_F(ImportTest, AConflictWithWhatIsThereNamesThePlaceAndNothingIsTaken) {
  Images("1,p,i,v,1.0.0,8,16000,1500\n");
  Hosts("h1,32000,1024\n");
  const std::string before = Dump();
  const Ran images = Images("5,p,i,v,2.0.0,8,16000,1500\n1,p,i,v,1.0.0,9,16000,1500\n");
  EXPECT_EQ(images.status, 5) << images.out;
  EXPECT_THAT(images.err, HasSubstr("i.csv:3:"));
  const Ran hosts = Hosts("h5,32000,1024\nh1,64000,1024\n");
  EXPECT_EQ(hosts.status, 5) << hosts.out;
  EXPECT_THAT(hosts.err, HasSubstr("h.csv:3:"));
  EXPECT_EQ(Dump(), before);
}

TEST_F(ImportTest, AHostOfAnotherRegionIsAConflictAndLeavesNoRegionBehind) {
  Hosts("h1,32000,1024\n");
  const std::string before = Dump();
  const Ran ran =
      Tallyman({"import", "hosts", PathOf("h.csv"), "--disk-gb", "8000", "--region", "us"});
  EXPECT_EQ(ran.status, 5);
  EXPECT_THAT(ran.err, HasSubstr("h.csv:2:1: host h1 exists in region eu"));
  EXPECT_EQ(Dump(), before);
}

TEST_F(ImportTest, ABadRowRefusesTheWholeFile) {
  Must({"db", "migrate"});
  Must({"org", "list"});  // a server, where there is one, is up from now on
  const std::string before = Dump();
  const std::pair<std::string, const char*> images[] = {
      {"1,p,i,v,1.0.0,8,16000,1500\n1,p,i,v,1.0.1,-8,16000,1500\n", "i.csv:3:15: cpu_cores"},
      {"1,p,i,v,1.0.0,8,16000\n", "i.csv:2:17: the row has 7 fields"},
      {"1,p,i,v,1.0.0,9223372036854775808,16000,1\n", "i.csv:2:15: cpu_cores"},
      {"1,p,i,v,1.0.0,8,9223372036854775807,1\n", "i.csv:2:17: memory_mb"},
      {"1,p,i,\"v,1.0.0,8,1,1\n", "never closed"},
      {"1,p\xff,i,v,1.0.0,8,1,1\n", "not UTF-8"},
      {std::string("1,p\0,i,v,1.0.0,8,1,1\n", 21), "NUL"},
      {"1,p," + std::string(10'000'000, 'x') + ",v,1.0.0,8,1,1\n", "longer than 4096 bytes"},
  };
  for (const auto& [rows, message] : images) {
    const Ran ran = Images(rows);
    EXPECT_EQ(ran.status, 2) << message << ran.out;
    EXPECT_THAT(ran.err, HasSubstr(message));
    EXPECT_LT(ran.err.size(), 1000U);
  }
  EXPECT_THAT(Hosts("h1,999,1\n").err, HasSubstr("h.csv:2:4: cpu_milli is 999"));
  EXPECT_THAT(Hosts("h1,1000,1\n", "-1").err, HasSubstr("--disk-gb"));
  EXPECT_THAT(Hosts("h1,1000,1\n", "9223372036854775807").err, HasSubstr("--disk-gb"));
  EXPECT_EQ(Dump(), before);
}

TEST_F(ImportTest, FilesThatAreNone) {
  Must({"db", "migrate"});
  EXPECT_EQ(Tallyman({"import", "images", PathOf("none.csv")}).status, 4);
  EXPECT_THAT(Tallyman({"import", "images", PathOf(".")}).err, HasSubstr("directory"));
  EXPECT_THAT(Tallyman({"import", "images", Write("e.csv", "")}).err,
              HasSubstr("e.csv:1:1: the file is empty"));
  EXPECT_THAT(Tallyman({"import", "images", Write("e.csv", "a,b\n")}).err,
              HasSubstr("unknown column"));
  EXPECT_THAT(Tallyman({"import", "images", Write("e.csv", kImageHeader)}).out,
              HasSubstr("Imported 0 images"));
}

TEST_F(ImportTest, StandardInputIsAFileToo) {
  const Ran ran =
      Tallyman({"import", "hosts", "-", "--disk-gb", "10"}, kHostHeader + "h1,1000,1\n");
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("into region default"));
}

TEST_F(ImportTest, ADryRunChangesNothing) {
  Must({"db", "migrate"});
  Must({"org", "list"});  // a server, where there is one, is up from now on
  const std::string before = Dump();
  const Ran hosts = Must({"import", "hosts", Write("h.csv", kHostHeader + "h1,1000,1\n"),
                          "--disk-gb", "1", "--dry-run"});
  EXPECT_THAT(hosts.out, HasSubstr("Would have imported 1 host"));
  Must({"import", "images", Write("i.csv", kImageHeader + "1,p,i,v,1.0.0,8,1,1\n"), "--dry-run"});
  EXPECT_EQ(Dump(), before);
}

TEST_F(ImportTest, TheRealFilesAreTaken) {
  const std::string data = std::string(TALLYMAN_SOURCE_DIR) + "/../shared/data/";
  if (!std::filesystem::exists(data + "images.csv")) GTEST_SKIP() << data << " is not there";
  EXPECT_THAT(Must({"import", "images", data + "images.csv"}).out,
              HasSubstr("Imported 622 images"));
  EXPECT_THAT(Must({"import", "hosts", data + "hosts.csv", "--disk-gb", "8000"}).out,
              HasSubstr("Imported 1523 hosts"));
}

}  // namespace
}  // namespace tallyman
