// Turns the messages of skopeo, umoci and runc about an image that cannot be fetched or run into
// errors that a person or the agent can act on.
//
// Pure. Transient errors have the code UNAVAILABLE or RESOURCE_EXHAUSTED; all others are permanent
// until somebody changes something.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tallyman::agent::oci {

// The essence of a tool's output: its last message without time stamps, quotes and traces, cut to
// 300 bytes.
std::string MessageOf(std::string_view said);

// `cause` is the failure of "skopeo copy" (ToolFailed(), or that it was not started or took too
// long). Each error has the fact "uri".
//   UNAVAILABLE IMAGE_NOT_PULLED          the registry or the network does not work now
//   RESOURCE_EXHAUSTED IMAGE_ROOM_FULL    no space for images
//   NOT_FOUND IMAGE_NOT_FOUND             no such name, tag or digest
//   FAILED_PRECONDITION REGISTRY_DENIED   credentials are missing or wrong
//   FAILED_PRECONDITION REGISTRY_NOT_TRUSTED, REGISTRY_WITHOUT_TLS
//   FAILED_PRECONDITION IMAGE_DAMAGED     the data does not match its digest
//   UNIMPLEMENTED IMAGE_NOT_SUPPORTED     no image for this platform, or not an image at all
//   CANCELED
Error PullFailed(const std::string& uri, const Error& cause);

// The same for "umoci raw unpack": INTERNAL IMAGE_NOT_UNPACKED, RESOURCE_EXHAUSTED
// IMAGE_ROOM_FULL, FAILED_PRECONDITION IMAGE_DAMAGED, CANCELED.
Error UnpackFailed(const std::string& uri, const Error& cause);

// The same for "runc run": FAILED_PRECONDITION COMMAND_NOT_STARTED when the image's command is
// missing or not executable; all others are unchanged.
Error StartFailed(const Error& cause);

}  // namespace tallyman::agent::oci
