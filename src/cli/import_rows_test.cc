#include "cli/import_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tallyman::cli {
namespace {

using testing::HasSubstr;

const std::string kImageHeader =
    "committed_at,protocol_key,image,variant_key,semantic_version,cpu_cores,memory_mb,disk_gb\n";
const std::string kHostHeader = "sn,cpu_milli,memory_mib\n";

Result<ImportRows<v1::ImageSpec>> Images(const std::string& rows) {
  return ReadImageRows("i.csv", kImageHeader + rows, "");
}
Result<ImportRows<v1::HostSpec>> Hosts(const std::string& rows) {
  return ReadHostRows("h.csv", kHostHeader + rows, "eu", 8'000'000'000'000);
}

TEST(ReadImageRows, ReadsUnitsAndSpellsVariantsAsReferencesDo) {
  const auto read =
      Images("1732542956,ethereum,ethereum-reth,reth_mainnet_full,0.0.1,8,16000,1500\n");
  ASSERT_TRUE(read);
  const v1::ImageSpec& spec = read->specs.at(0);
  EXPECT_EQ(spec.committed_at().seconds(), 1732542956);
  EXPECT_EQ(spec.protocol(), "ethereum");
  EXPECT_EQ(spec.variant(), "reth-mainnet-full");
  EXPECT_EQ(spec.semantic_version(), "0.0.1");
  EXPECT_EQ(spec.image_uri(), "ethereum-reth:0.0.1");
  EXPECT_EQ(spec.minimum().cpu_cores(), 8);
  EXPECT_EQ(spec.minimum().memory_bytes(), 16'000'000'000);
  EXPECT_EQ(spec.minimum().disk_bytes(), 1'500'000'000'000);
}

TEST(ReadImageRows, AVersionPublishedTwiceIsTwoBuildsAndARepeatedRowIsOne) {
  const auto read = Images(
      "1,p,i,v,0.0.1,8,16000,1500\n"
      "2,p,i,v,0.0.1,9,16000,1500\n"
      "1,p,i,v,0.0.1,8,16000,1500\n");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->specs.size(), 2U);
  EXPECT_EQ(read->repeated, 1);
}

TEST(ReadImageRows, NamesLineAndColumnOfABadField) {
  const std::pair<const char*, const char*> cases[] = {
      {"1,p,i,v,0.0.1,8,16000,1500\n1,p,i,v,0.0.1,8,16001,1500\n",
       "i.csv:3:17: memory_mb is \"16001\", but line 2 says \"16000\" for the same key"},
      {"x,p,i,v,0.0.1,8,1,1\n", "i.csv:2:1: committed_at is \"x\""},
      {"999999999999,p,i,v,0.0.1,8,1,1\n", "i.csv:2:1: committed_at"},
      {"1,,i,v,0.0.1,8,1,1\n", "i.csv:2:3: protocol_key"},
      {"1,p,,v,0.0.1,8,1,1\n", "i.csv:2:5: image"},
      {"1,p,i,v/w,0.0.1,8,1,1\n", "i.csv:2:7: variant_key"},
      {"1,p,i,v,1.0,8,1,1\n", "i.csv:2:9: semantic_version is \"1.0\""},
      {"1,p,i,v,0.0.1,0,1,1\n", "i.csv:2:15: cpu_cores is 0"},
      {"1,p,i,v,0.0.1,-8,1,1\n", "i.csv:2:15: cpu_cores is \"-8\": it may not be negative"},
      {"1,p,i,v,0.0.1,1.5,1,1\n", "i.csv:2:15: cpu_cores is \"1.5\": fractions"},
      {"1,p,i,v,0.0.1,8,9223372036854775807,1\n", "i.csv:2:17: memory_mb"},
      {"1,p,i,v,0.0.1,8,1,9223372036854775808\n", "i.csv:2:19: disk_gb"},
  };
  for (const auto& [rows, message] : cases) {
    const auto read = Images(rows);
    ASSERT_FALSE(read) << rows;
    EXPECT_THAT(read.error().message, HasSubstr(message));
  }
}

TEST(ReadHostRows, TakesWholeCoresOnly) {
  const auto read = Hosts("h1,32999,262144\n");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->specs[0].capacity().cpu_cores(), 32);
  EXPECT_EQ(read->specs[0].capacity().memory_bytes(), int64_t{262144} << 20);
  EXPECT_EQ(read->specs[0].capacity().disk_bytes(), 8'000'000'000'000);
  EXPECT_EQ(read->specs[0].region(), "eu");
}

TEST(ReadHostRows, NamesLineAndColumnOfABadField) {
  const std::pair<std::string, const char*> cases[] = {
      {"h1,999,1\n", "h.csv:2:4: cpu_milli is 999: a host needs a whole core"},
      {"h1,0,1\n", "h.csv:2:4: cpu_milli is 0"},
      {"h1,1000,0\n", "h.csv:2:9: memory_mib is 0"},
      {"h1,1000,9223372036854775807\n", "h.csv:2:9: memory_mib"},
      {"h1,1000,1\nh1,2000,1\n", "h.csv:3:4: cpu_milli is \"2000\", but line 2"},
      {"h 1,1000,1\n", "h.csv:2:1: sn"},
  };
  for (const auto& [rows, message] : cases) {
    const auto read = Hosts(rows);
    ASSERT_FALSE(read) << rows;
    EXPECT_THAT(read.error().message, HasSubstr(message));
  }
}

TEST(PlaceError, FindsLineAndColumnOfAServersError) {
  const auto read = Hosts("h1,1000,1\nh2,1000,1\n");
  const auto place = [&](const char* index, const char* field) {
    return PlaceError("h.csv", read->rows, kHostColumns,
                      InvalidArgument("X", "bad").With("index", index).With("field", field))
        .message;
  };
  EXPECT_EQ(place("1", "capacity.memory_bytes"), "h.csv:3:9: bad");
  EXPECT_EQ(place("1", "hosts[1].name"), "h.csv:3:1: bad");
  EXPECT_EQ(place("0", "region"), "h.csv:2:1: bad");
  EXPECT_EQ(place("2", "name"), "bad");
  EXPECT_EQ(place("", "name"), "bad");
}

}  // namespace
}  // namespace tallyman::cli
