#include "api/check_request.h"

#include <gtest/gtest.h>

#include <string>

#include "tallyman/v1/catalog.pb.h"
#include "tallyman/v1/host.pb.h"
#include "tallyman/v1/node.pb.h"

namespace tallyman::api {
namespace {

Error RefusalOf(const google::protobuf::Message& request) {
  Status status = CheckRequest(request);
  return status ? Error() : status.error();
}

TEST(CheckRequest, AcceptsAnEmptyAndAnOrdinaryRequest) {
  EXPECT_TRUE(CheckRequest(v1::CreateImagesRequest()));
  v1::CreateImagesRequest request;
  auto* image = request.add_images();
  image->set_variant("mainnet");
  image->add_properties()->set_default_value("größe\n");
  EXPECT_TRUE(CheckRequest(request));
}

TEST(CheckRequest, NamesTheFieldOfBrokenUtf8AndQuotesIt) {
  v1::CreateImagesRequest request;
  request.add_images();
  request.add_images()->add_properties()->set_key("a\xff");
  Error error = RefusalOf(request);
  EXPECT_EQ(error.code, Code::kInvalidArgument);
  EXPECT_EQ(error.reason, "INVALID_TEXT");
  EXPECT_EQ(error.Fact("field"), "images[1].properties[0].key");
  EXPECT_EQ(error.Fact("index"), "1");
  EXPECT_NE(error.message.find("\\xff"), std::string::npos);
}

TEST(CheckRequest, LooksIntoMaps) {
  v1::CreateNodesRequest request;
  (*request.mutable_values())["\xc0\xaf"] = "v";
  EXPECT_EQ(RefusalOf(request).Fact("field"), "values[0].key");
  request.clear_values();
  (*request.mutable_values())["k"] = std::string("a\0b", 3);
  EXPECT_EQ(RefusalOf(request).Fact("field"), "values[0].value");
}

TEST(CheckRequest, ShowsNothingOfAValue) {
  v1::UpdateNodeRequest request;
  for (const std::string& value : {std::string("hunter2\0", 8), std::string("hunter2\xff"),
                                   "hunter2" + std::string(kTextBytesMax, 'x')}) {
    (*request.mutable_set_values())["k"] = value;
    const Error error = RefusalOf(request);
    EXPECT_EQ(error.Fact("field"), "set_values[0].value");
    EXPECT_EQ(error.message.find("hunter2"), std::string::npos) << error.message;
  }
}

TEST(CheckRequest, LooksIntoChoices) {
  v1::CreateNodesRequest request;
  request.mutable_by_hosts()->add_hosts()->set_host("\x80");
  EXPECT_EQ(RefusalOf(request).Fact("field"), "by_hosts.hosts[0].host");
}

TEST(CheckRequest, BoundsTextsAndKeepsTheMessageShort) {
  v1::GetNodeRequest request;
  request.set_node(std::string(kTextBytesMax, 'x'));
  EXPECT_TRUE(CheckRequest(request));
  request.set_node(std::string(kTextBytesMax + 1, 'x'));
  EXPECT_EQ(RefusalOf(request).reason, "TEXT_TOO_LONG");
  request.set_node(std::string(size_t{10} << 20, 'x'));
  Error error = RefusalOf(request);
  EXPECT_EQ(error.reason, "TEXT_TOO_LONG");
  EXPECT_LT(error.message.size(), 300u);
}

TEST(CheckRequest, BoundsLists) {
  v1::UpgradeNodesRequest request;
  for (int i = 0; i <= kItemsMax; ++i) request.add_nodes();
  Error error = RefusalOf(request);
  EXPECT_EQ(error.reason, "TOO_MANY_ITEMS");
  EXPECT_EQ(error.Fact("field"), "nodes");
  request.mutable_nodes()->RemoveLast();
  EXPECT_TRUE(CheckRequest(request));
}

TEST(CheckRequest, RefusesNumbersThatAreNoValueOfAnEnum) {
  v1::CreateHostsRequest request;
  request.add_hosts()->set_capacity_policy(static_cast<v1::CapacityPolicy>(99));
  Error error = RefusalOf(request);
  EXPECT_EQ(error.reason, "UNKNOWN_ENUM_VALUE");
  EXPECT_EQ(error.Fact("field"), "hosts[0].capacity_policy");
  request.mutable_hosts(0)->set_capacity_policy(static_cast<v1::CapacityPolicy>(-1));
  EXPECT_EQ(RefusalOf(request).reason, "UNKNOWN_ENUM_VALUE");
}

}  // namespace
}  // namespace tallyman::api
