#include "agent/oci/image_errors.h"

#include <gtest/gtest.h>

namespace tallyman::agent::oci {
namespace {

Error ToolSaid(const std::string& text) {
  return Internal("TOOL_FAILED", "skopeo ended with status 1: " + text);
}

TEST(PullFailed, TellsWhatIsFinalFromWhatMayPass) {
  struct Case {
    std::string said;
    Code code;
    std::string_view reason;
  };
  for (const Case& each :
       {Case{"reading manifest plain in x: unauthorized", Code::kFailedPrecondition,
             "REGISTRY_DENIED"},
        Case{"requested access to the resource is denied", Code::kFailedPrecondition,
             "REGISTRY_DENIED"},
        Case{"manifest unknown", Code::kNotFound, "IMAGE_NOT_FOUND"},
        Case{"Digest did not match, expected sha256:1", Code::kFailedPrecondition, "IMAGE_DAMAGED"},
        Case{"no image found in manifest list for architecture amd64", Code::kUnimplemented,
             "IMAGE_NOT_SUPPORTED"},
        Case{"http: server gave HTTP response to HTTPS client", Code::kFailedPrecondition,
             "REGISTRY_WITHOUT_TLS"},
        Case{"x509: certificate signed by unknown authority", Code::kFailedPrecondition,
             "REGISTRY_NOT_TRUSTED"},
        Case{"write /x: no space left on device", Code::kResourceExhausted, "IMAGE_ROOM_FULL"},
        Case{"toomanyrequests: slow down", Code::kUnavailable, "IMAGE_NOT_PULLED"},
        Case{"received unexpected HTTP status: 503 Service Unavailable", Code::kUnavailable,
             "IMAGE_NOT_PULLED"},
        Case{"dial tcp: lookup x on 10.0.0.1:53: no such host", Code::kUnavailable,
             "IMAGE_NOT_PULLED"},
        Case{"dial tcp: lookup x: Temporary failure in name resolution", Code::kUnavailable,
             "IMAGE_NOT_PULLED"},
        Case{"proxyconnect tcp: dial tcp 127.0.0.1:9: connect: connection refused",
             Code::kUnavailable, "IMAGE_NOT_PULLED"},
        Case{"happened during read: unexpected EOF", Code::kUnavailable, "IMAGE_NOT_PULLED"},
        Case{"net/http: TLS handshake timeout", Code::kUnavailable, "IMAGE_NOT_PULLED"}}) {
    const Error error = PullFailed("docker://x/y:1",
                                   ToolSaid("time=\"2026\" level=fatal msg=\"" + each.said + "\""));
    EXPECT_EQ(error.code, each.code) << each.said;
    EXPECT_EQ(error.reason, each.reason) << each.said;
    EXPECT_NE(error.message.find(each.said), std::string::npos) << error.message;
    EXPECT_EQ(error.message.find("level="), std::string::npos) << error.message;
  }
}

TEST(PullFailed, WhatIsInTheNameOfAnImageIsNoSign) {
  const Error error =
      PullFailed("docker://x/404-unauthorized:1",
                 ToolSaid("time=\"2026\" level=fatal msg=\"initializing source "
                          "docker://x/404-unauthorized:1: reading manifest 1 in "
                          "x/404-unauthorized: received unexpected HTTP status: 502 Bad "
                          "Gateway\""));
  EXPECT_EQ(error.code, Code::kUnavailable) << error.message;
}

TEST(MessageOf, LeavesOutTracesOfProgramsThatBrokeDown) {
  EXPECT_EQ(MessageOf("umoci ended with status 2: panic: runtime error: index out of range "
                      "goroutine 1 [running]: main.main()"),
            "the tool crashed: runtime error: index out of range");
}

TEST(MessageOf, IsNotCutWithinACharacter) {
  const std::string most(299, 'x');
  for (const std::string& said : {most + "\xc3\xa9 and more", "msg=\"" + most + "\xc3\xa9\""})
    EXPECT_EQ(MessageOf(said), most);
  EXPECT_EQ(MessageOf("panic: " + most + "\xc3\xa9"), "the tool crashed: " + most);
}

TEST(StartFailed, SaysWhichCommandIsMissing) {
  const Error error = StartFailed(Internal(
      "TOOL_FAILED",
      "runc ended with status 1: time=\"2026\" level=error msg=\"runc run failed: unable to start "
      "container process: exec: \\\"/x\\\": stat /x: no such file or directory\""));
  EXPECT_EQ(error.reason, "COMMAND_NOT_STARTED");
  EXPECT_NE(error.message.find("exec: \"/x\": stat /x: no such file"), std::string::npos)
      << error.message;
  const Error other = Internal("TOOL_FAILED", "runc ended with status 1: cgroups are away");
  EXPECT_EQ(StartFailed(other), other);
}

}  // namespace
}  // namespace tallyman::agent::oci
