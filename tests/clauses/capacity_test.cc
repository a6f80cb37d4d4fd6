// Capacity: warn and enforce, exact fit, fault 16.
#include "support/api_room.h"

namespace tallyman {
namespace {

class Capacity : public testing::Test {
 protected:
  void SetUp() override {
    room.AddFleet(2);
    room.AddImage("1.0.0", Needs(32, 4, 100));
    room.AddImage("2.0.0", Needs(40, 4, 100));
    room.AddImage("3.0.0", Needs(24, 4, 100));
    ASSERT_OK(room.Create("a", "host-1", "1.0.0"));
    ASSERT_OK(room.Create("b", "host-1", "1.0.0"));  // 64 of 64 cores: an exact fit
  }

  Result<v1::UpdateHostResponse> Set(v1::CapacityPolicy policy,
                                     const Resources* capacity = nullptr) {
    v1::UpdateHostRequest request;
    request.set_host("host-1");
    request.set_capacity_policy(policy);
    if (capacity != nullptr) {
      request.mutable_capacity()->set_cpu_cores(capacity->cpu_cores);
      request.mutable_capacity()->set_memory_bytes(capacity->memory_bytes);
      request.mutable_capacity()->set_disk_bytes(capacity->disk_bytes);
    }
    return room.Send<v1::UpdateHostResponse>("HostService/UpdateHost", request);
  }

  ApiRoom room;
};

TEST_F(Capacity, NewNodesAlwaysFitExactlyOrNotAtAll) {
  EXPECT_EQ(room.Host("host-1").free().cpu_cores(), 0);
  std::string before = room.Dump();
  auto full = room.Create("c", "host-1", "3.0.0");
  EXPECT_REFUSED(full, Code::kResourceExhausted, "HOST_FULL");
  EXPECT_EQ(full.error().Fact("dimension"), "cpu_cores");
  EXPECT_EQ(full.error().Fact("need"), "24");
  EXPECT_EQ(full.error().Fact("free"), "0");
  EXPECT_EQ(room.Dump(), before);
}

TEST_F(Capacity, R4_AnUpgradeOverTheCapacityIsAcceptedWithAWarning) {
  auto answer = room.Upgrade({"a"}, "chain/full@2.0.0");
  ASSERT_OK(answer);
  ASSERT_EQ(answer->changes().warnings_size(), 1);
  EXPECT_EQ(answer->changes().warnings(0).reason(), "OVER_CAPACITY");
  EXPECT_EQ(answer->changes().hosts(0).over_capacity_size(), 1);
  EXPECT_EQ(room.Host("host-1").warnings_size(), 1) << "the host shows it too";
  EXPECT_EQ(room.Host("host-1").free().cpu_cores(), -8);
  room.ExpectBalanced();
}

TEST_F(Capacity, EnforceRefusesByTheNetEffectOfTheRequestOnly) {
  ASSERT_OK(Set(v1::CAPACITY_POLICY_ENFORCE));
  std::string before = room.Dump();
  auto answer = room.Upgrade({"a"}, "chain/full@2.0.0");
  EXPECT_REFUSED(answer, Code::kResourceExhausted, "HOST_CAPACITY_EXCEEDED");
  EXPECT_EQ(answer.error().Fact("dimension"), "cpu_cores");
  EXPECT_EQ(answer.error().Fact("need"), "8");
  EXPECT_EQ(answer.error().Fact("free"), "0");
  EXPECT_EQ(room.Dump(), before);
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@3.0.0"));  // shrinks
  EXPECT_REFUSED(room.Upgrade({"b"}, "chain/full@2.0.0"), Code::kResourceExhausted,
                 "HOST_CAPACITY_EXCEEDED");  // what a had is held until its host has done it
  room.Obey("a");
  ASSERT_OK(room.Upgrade({"b"}, "chain/full@2.0.0"));  // grows into what was freed: an exact fit
  EXPECT_EQ(room.Host("host-1").free().cpu_cores(), 0);
  room.ExpectBalanced();
}

TEST_F(Capacity, EnforceLetsANodeGoBackWithinWhatIsHeldForIt) {
  ASSERT_OK(Set(v1::CAPACITY_POLICY_ENFORCE));
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@3.0.0"));
  EXPECT_EQ(room.Host("host-1").held().cpu_cores(), 8);
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@1.0.0"));
  EXPECT_EQ(room.Host("host-1").free().cpu_cores(), 0);
  room.ExpectBalanced();
}

TEST_F(Capacity, ACounterThatIsTooHighRefusesNobody) {
  ASSERT_OK(Set(v1::CAPACITY_POLICY_ENFORCE));
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@3.0.0"));
  room.Obey("a");
  room.Sql("UPDATE hosts SET node_cpu_cores = 64 WHERE name = 'host-1'");  // 56 in truth
  ASSERT_OK(room.Upgrade({"b"}, "chain/full@2.0.0"));
  EXPECT_EQ(room.Host("host-1").free().cpu_cores(), 0);
  room.ExpectBalanced();
}

TEST_F(Capacity, EnforceLooksOnlyAtDimensionsThatGrow) {
  Resources small = Needs(60, 256, 10'000);  // already over in cores
  ASSERT_OK(Set(v1::CAPACITY_POLICY_ENFORCE, &small));
  room.AddImage("4.0.0", Needs(32, 8, 100));  // more memory, the same cores
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@4.0.0"));
}

TEST_F(Capacity, TheServersPolicyIsOverriddenPerHost) {
  control::ControlOptions options;
  options.policies.capacity = CapacityPolicy::kEnforce;
  room.Restart(options);
  EXPECT_REFUSED(room.Upgrade({"a"}, "chain/full@2.0.0"), Code::kResourceExhausted,
                 "HOST_CAPACITY_EXCEEDED");
  ASSERT_OK(Set(v1::CAPACITY_POLICY_WARN));
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@2.0.0"));
}

TEST_F(Capacity, Fault16_LoweringBelowWhatTheHostCarriesIsAcceptedWithAWord) {
  Resources small = Needs(48, 256, 10'000);
  auto answer = Set(v1::CAPACITY_POLICY_UNSPECIFIED, &small);
  ASSERT_OK(answer);
  ASSERT_EQ(answer->warnings_size(), 1);
  EXPECT_EQ(answer->warnings(0).reason(), "OVER_CAPACITY");
  EXPECT_NE(answer->warnings(0).message().find("16"), std::string::npos)
      << answer->warnings(0).message();
  EXPECT_EQ(room.Host("host-1").warnings_size(), 1);
  room.ExpectBalanced();
}

}  // namespace
}  // namespace tallyman
