#include "rpc/method_limits.h"

#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include "tallyman/v1/agent.pb.h"
#include "tallyman/v1/options.pb.h"

namespace tallyman::rpc {
namespace {

TEST(MethodLimits, AreThoseOfTheDefinition) {
  EXPECT_EQ(BodyBytesMaxOf("tallyman.v1.AgentService/Join"), 4096u);
  EXPECT_EQ(BodyBytesMaxOf("tallyman.v1.AgentService/Report"), size_t{16} << 20);
}

// Whoever may call it has no token yet.
TEST(MethodLimits, LeaveAStrangerNoRoom) {
  const auto* join = v1::JoinRequest::descriptor()->file()->service(0)->method(0);
  ASSERT_EQ(join->name(), "Join");
  EXPECT_LE(join->options().GetExtension(v1::limits).body_bytes_max(), 4096);
}

}  // namespace
}  // namespace tallyman::rpc
