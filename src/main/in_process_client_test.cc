#include "main/in_process_client.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/random.h"
#include "tallyman/v1/catalog.pb.h"
#include "tallyman/v1/org.pb.h"
#include "tallyman/v1/region.pb.h"
#include "tests/support/temp_dir.h"

namespace tallyman::app {
namespace {

constexpr const char* kCreateOrg = "tallyman.v1.OrgService/CreateOrg";
constexpr const char* kListOrgs = "tallyman.v1.OrgService/ListOrgs";

class InProcess : public testing::Test {
 protected:
  InProcessClient Connect(bool may_create = false) {
    return {{.database = {DatabaseKind::kSqlite, path, path},
             .actor = {.id = "tester", .role = Role::kAdmin},
             .may_create = may_create},
            clock,
            random,
            log};
  }
  static Status CreateOrg(InProcessClient& client, const std::string& name) {
    v1::CreateOrgRequest request;
    request.set_name(name);
    v1::CreateOrgResponse response;
    return client.Call(kCreateOrg, request, response);
  }
  static Result<int> CountOrgs(InProcessClient& client) {
    v1::ListOrgsResponse response;
    RETURN_IF_ERROR(client.Call(kListOrgs, v1::ListOrgsRequest(), response));
    return response.orgs_size();
  }

  TempDir dir;
  std::string path = (dir.path() / "fleet.db").string();
  ManualClock clock{Time(std::chrono::seconds(1'700'000'000))};
  SeededRandom random{7};
  MemoryLog log;
};

TEST_F(InProcess, ReadsNoDatabaseThatIsNotThere) {
  auto client = Connect();
  EXPECT_EQ(CountOrgs(client).error().reason, "DATABASE_MISSING");
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(InProcess, CreatesADatabaseForWhatCanBeginOneAndSaysSo) {
  auto client = Connect();
  ASSERT_TRUE(CreateOrg(client, "acme"));
  ASSERT_EQ(log.lines().size(), 2u);
  EXPECT_EQ(log.lines().front().event, "database_created");
  EXPECT_EQ(log.lines().back().event, "secret_key_written");
  auto again = Connect();
  EXPECT_EQ(CountOrgs(again).value(), 1);
  EXPECT_EQ(log.lines().size(), 2u);
}

TEST_F(InProcess, CreatesNothingForADryRun) {
  auto client = Connect();
  v1::CreateImagesRequest request;
  request.set_dry_run(true);
  v1::CreateImagesResponse response;
  auto status = client.Call("tallyman.v1.CatalogService/CreateImages", request, response);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().reason, "DATABASE_MISSING");
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(InProcess, CreatesOneForAnyCallOfACommandThatFillsIt) {
  auto client = Connect(true);
  EXPECT_EQ(CountOrgs(client).value(), 0);
}

TEST_F(InProcess, FillsAnEmptyFile) {
  std::ofstream(path).flush();
  auto client = Connect();
  EXPECT_EQ(CountOrgs(client).error().reason, "SCHEMA_TOO_OLD");
  EXPECT_TRUE(CreateOrg(client, "acme"));
}

TEST_F(InProcess, RefusesAnAnswerOfAnotherType) {
  auto client = Connect(true);
  v1::CreateRegionResponse response;
  auto status = client.Call(kListOrgs, v1::ListOrgsRequest(), response);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().reason, "WRONG_MESSAGE");
}

TEST_F(InProcess, MayBeCalledFromManyThreads) {
  auto client = Connect();
  std::vector<std::thread> threads;
  std::atomic<int> created{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5; ++i) {
        if (CreateOrg(client, "org-" + std::to_string(t) + "-" + std::to_string(i))) ++created;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(created, 20);
  EXPECT_EQ(CountOrgs(client).value(), 20);
}

}  // namespace
}  // namespace tallyman::app
