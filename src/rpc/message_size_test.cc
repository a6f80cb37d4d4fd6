#include "rpc/message_size.h"

#include <gtest/gtest.h>

#include <string>

#include "rpc/message_codec.h"
#include "tallyman/v1/agent.pb.h"
#include "tallyman/v1/audit.pb.h"
#include "tallyman/v1/catalog.pb.h"
#include "tallyman/v1/host.pb.h"
#include "tallyman/v1/node.pb.h"

namespace tallyman::rpc {
namespace {

using google::protobuf::Message;

constexpr int kBatch = 100'000;

std::string Repeated(std::string_view piece, size_t bytes) {
  std::string text;
  text.reserve(bytes + piece.size());
  while (text.size() < bytes) text += piece;
  return text;
}

// The reason of the refusal; "" when it was taken.
std::string Parse(Codec codec, const std::string& body, Message&& message) {
  auto status = ParseMessage(codec, body, message, MessageBytesMax(body.size()));
  if (!status) return status.error().reason;
  EXPECT_LE(message.SpaceUsedLong(), MessageBytesMax(body.size()));
  return "";
}

TEST(MessageSize, RefusesWhatWouldTakeFarMoreMemoryThanItsBytes) {
  constexpr size_t kBytes = size_t{1} << 20;
  const std::string kTooMany = "MESSAGE_TOO_MANY_PARTS";
  // Empty submessages, empty strings, unknown fields of each kind.
  EXPECT_EQ(Parse(Codec::kProto, Repeated({"\x12\x00", 2}, kBytes), v1::CreateImagesRequest()),
            kTooMany);
  EXPECT_EQ(Parse(Codec::kProto, Repeated({"\x12\x00", 2}, kBytes), v1::ReportRequest()), kTooMany);
  EXPECT_EQ(Parse(Codec::kProto, Repeated({"\x12\x00", 2}, kBytes), v1::UpgradeNodesRequest()),
            kTooMany);
  EXPECT_EQ(Parse(Codec::kProto, Repeated({"\x78\x00", 2}, kBytes), v1::GetHostRequest()),
            kTooMany);
  EXPECT_EQ(Parse(Codec::kProto, Repeated({"\x7a\x00", 2}, kBytes), v1::GetHostRequest()),
            kTooMany);
  // A text in the place of a number, and a number in that of a message.
  EXPECT_EQ(Parse(Codec::kProto, Repeated({"\x1a\x00", 2}, kBytes), v1::CreateImagesRequest()),
            kTooMany);
  EXPECT_EQ(Parse(Codec::kProto, Repeated({"\x10\x00", 2}, kBytes), v1::CreateImagesRequest()),
            kTooMany);
  EXPECT_EQ(Parse(Codec::kJson, R"({"images":[)" + Repeated("{},", kBytes) + "{}]}",
                  v1::CreateImagesRequest()),
            kTooMany);
  EXPECT_EQ(Parse(Codec::kJson, R"({"nodes":[)" + Repeated("\"\",", kBytes) + "\"\"]}",
                  v1::UpgradeNodesRequest()),
            kTooMany);
}

TEST(MessageSize, RefusesGroupsAndLengthsThatLie) {
  const std::string long_enough = Repeated({"\x0a\x00", 2}, kSmallBodyBytes + 1);
  for (const std::string& end :
       {std::string("\x0b"), std::string("\x0c"), std::string("\x12\x7f"), std::string("\x12"),
        std::string("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), std::string("\xff"),
        std::string("\x12\x02\x0a\x7f")}) {
    EXPECT_EQ(Parse(Codec::kProto, long_enough + end, v1::CreateHostsRequest()),
              "MALFORMED_MESSAGE");
  }
}

TEST(MessageSize, TakesBatchesOfShortItems) {
  v1::CreateHostsRequest hosts;
  v1::UpgradeNodesRequest nodes;
  v1::CreateImagesRequest images;
  for (int i = 0; i < kBatch; ++i) {
    nodes.add_nodes("n" + std::to_string(i));
    auto& host = *hosts.add_hosts();
    host.set_name("h" + std::to_string(i));
    host.set_region("eu");
    host.mutable_capacity()->set_cpu_cores(8);
    host.mutable_capacity()->set_memory_bytes(64'000'000'000);
    host.mutable_capacity()->set_disk_bytes(1'000'000'000'000);
    auto& image = *images.add_images();
    image.set_protocol("p");
    image.set_variant("v" + std::to_string(i));
    image.set_semantic_version("1.0.0");
    image.set_image_uri("docker://registry.test/p:1");
    image.mutable_committed_at()->set_seconds(1'700'000'000);
    *image.mutable_minimum() = host.capacity();
  }
  auto expect = [](Codec codec, const Message& message) {
    const std::string body = FormatMessage(codec, message).value();
    std::unique_ptr<Message> again(message.New());
    const auto status = ParseMessage(codec, body, *again, MessageBytesMax(body.size()));
    EXPECT_TRUE(status.has_value()) << message.GetTypeName();
  };
  expect(Codec::kProto, hosts);
  expect(Codec::kJson, hosts);
  expect(Codec::kProto, nodes);
  expect(Codec::kJson, nodes);
  expect(Codec::kProto, images);
}

// What protobuf keeps while it reads a document goes before what the message would take.
TEST(MessageSize, CountsTheObjectsAndListsOfJson) {
  constexpr size_t kBytes = size_t{1} << 20;
  for (const char* piece : {"{},", "[],", "[", "{\"a\":"}) {
    const auto status = CheckJsonSize(Repeated(piece, kBytes), MessageBytesMax(kBytes) / 2);
    ASSERT_FALSE(status.has_value()) << piece;
    EXPECT_EQ(status.error().reason, "MESSAGE_TOO_MANY_PARTS");
  }
  EXPECT_TRUE(CheckJsonSize(Repeated("\"{[\",", kBytes), kBytes).has_value());
}

// Strings are looked through, not into.
TEST(MessageSize, MarksWithinJsonStringsAreNone) {
  const std::string marks = Repeated("{[\\\"'", size_t{1} << 20);
  EXPECT_EQ(Parse(Codec::kJson, R"({"node":")" + marks + "\"}", v1::GetNodeRequest()), "");
}

}  // namespace
}  // namespace tallyman::rpc
