#include "agent/oci/image_errors.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "agent/oci/process.h"
#include "base/text.h"

namespace tallyman::agent::oci {
namespace {

constexpr size_t kSaidBytesMax = 300;

struct Rule {
  std::string_view sign;  // in lower case
  Code code;
  std::string_view reason;
  std::string_view advice;
};

constexpr std::string_view kRoomAdvice =
    "this host has no space left for images: delete nodes whose images no other node needs, or "
    "give the agent a larger --image-room-gb";

// The first match counts.
constexpr std::array kPullRules = {
    Rule{"no space left on device", Code::kResourceExhausted, "IMAGE_ROOM_FULL", kRoomAdvice},
    Rule{"digest did not match", Code::kFailedPrecondition, "IMAGE_DAMAGED",
         "the registry sent data that does not match its digest: publish the image again"},
    Rule{"does not match provided manifest digest", Code::kFailedPrecondition, "IMAGE_DAMAGED",
         "the manifest does not match this digest: publish the image again"},
    Rule{"no image found in", Code::kUnimplemented, "IMAGE_NOT_SUPPORTED",
         "the image was not published for this platform"},
    Rule{"invalid reference format", Code::kUnimplemented, "IMAGE_NOT_SUPPORTED",
         "this is not the name of an image"},
    Rule{"must be lowercase", Code::kUnimplemented, "IMAGE_NOT_SUPPORTED",
         "names of images must be lowercase"},
    Rule{"unsupported manifest media type", Code::kUnimplemented, "IMAGE_NOT_SUPPORTED",
         "this is not a container image"},
    Rule{"unsupported image-specific operation on artifact", Code::kUnimplemented,
         "IMAGE_NOT_SUPPORTED", "this is not a container image"},
    Rule{"unimplemented manifest mime type", Code::kUnimplemented, "IMAGE_NOT_SUPPORTED",
         "this is not a container image"},
    Rule{"unsupported schema version", Code::kUnimplemented, "IMAGE_NOT_SUPPORTED",
         "this is not a container image"},
    Rule{"gave http response to https client", Code::kFailedPrecondition, "REGISTRY_WITHOUT_TLS",
         "the registry does not speak TLS: if this is intended, start the agent with "
         "--registry-plain-http and its HOST:PORT"},
    Rule{"x509:", Code::kFailedPrecondition, "REGISTRY_NOT_TRUSTED",
         "the registry's certificate is not trusted: add its authority to the system's "
         "certificates"},
    Rule{"certificate", Code::kFailedPrecondition, "REGISTRY_NOT_TRUSTED",
         "the registry's certificate is not trusted: add its authority to the system's "
         "certificates"},
    Rule{"toomanyrequests", Code::kUnavailable, "IMAGE_NOT_PULLED",
         "the registry's rate limit is exceeded; the agent tries again"},
    Rule{"too many requests", Code::kUnavailable, "IMAGE_NOT_PULLED",
         "the registry's rate limit is exceeded; the agent tries again"},
    Rule{"unauthorized", Code::kFailedPrecondition, "REGISTRY_DENIED",
         "the registry does not let this host read the image, or has none of that name: give the "
         "agent credentials by --registry-authfile"},
    Rule{"authentication required", Code::kFailedPrecondition, "REGISTRY_DENIED",
         "give the agent credentials by --registry-authfile"},
    Rule{"unable to retrieve auth token", Code::kFailedPrecondition, "REGISTRY_DENIED",
         "the registry refuses the credentials of --registry-authfile"},
    Rule{"denied", Code::kFailedPrecondition, "REGISTRY_DENIED",
         "the registry does not let this host read the image: give the agent credentials by "
         "--registry-authfile"},
    Rule{"forbidden", Code::kFailedPrecondition, "REGISTRY_DENIED",
         "the registry does not let this host read the image: give the agent credentials by "
         "--registry-authfile"},
    Rule{"status 403", Code::kFailedPrecondition, "REGISTRY_DENIED",
         "the registry does not let this host read the image"},
    Rule{"manifest unknown", Code::kNotFound, "IMAGE_NOT_FOUND",
         "the registry has no such tag or digest: check that the image is published"},
    Rule{"name unknown", Code::kNotFound, "IMAGE_NOT_FOUND",
         "the registry has no image of that name: check that it is published"},
    Rule{"404", Code::kNotFound, "IMAGE_NOT_FOUND",
         "the registry does not have it: check that the image is published"},
    Rule{"blob unknown", Code::kNotFound, "IMAGE_NOT_FOUND",
         "a part of the image is missing in the registry: publish it again"},
    Rule{"no descriptor found", Code::kNotFound, "IMAGE_NOT_FOUND",
         "the layout has no OCI image with that tag"},
    Rule{"no such file or directory", Code::kNotFound, "IMAGE_NOT_FOUND",
         "this host has no such layout, or a part of it is missing"},
};

constexpr std::array kUnpackRules = {
    Rule{"unknown typeflag", Code::kUnimplemented, "IMAGE_NOT_SUPPORTED",
         "a layer has an entry of an unknown kind, such as a global header: build the image with a "
         "current tool"},
    Rule{"no space left on device", Code::kResourceExhausted, "IMAGE_ROOM_FULL", kRoomAdvice},
    Rule{"digest mismatch", Code::kFailedPrecondition, "IMAGE_DAMAGED",
         "a layer does not match the image's config: build and publish the image again"},
    Rule{"verified reader", Code::kFailedPrecondition, "IMAGE_DAMAGED",
         "a layer does not match its digest: build and publish the image again"},
    Rule{"diffid", Code::kFailedPrecondition, "IMAGE_DAMAGED",
         "a layer does not match the image's config: build and publish the image again"},
    Rule{"unexpected eof", Code::kFailedPrecondition, "IMAGE_DAMAGED",
         "a layer ends too early: build and publish the image again"},
    Rule{"invalid tar header", Code::kFailedPrecondition, "IMAGE_DAMAGED",
         "a layer is not a tar archive: build and publish the image again"},
};

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

// The message without the names of the image and its registry, which may contain anything.
std::string WithoutNames(std::string message, std::string_view uri) {
  std::string_view name = uri.substr(uri.find(':') + 1);
  while (name.starts_with('/')) name.remove_prefix(1);
  name = name.substr(0, name.find('@'));
  const std::string_view host = name.substr(0, name.find('/'));
  const size_t colon = name.rfind(':');
  const bool has_tag =
      colon != std::string_view::npos && name.find('/', colon) == std::string::npos;
  for (std::string_view part : {name, has_tag ? name.substr(0, colon) : name, host}) {
    if (part.empty()) continue;
    for (size_t at = message.find(part); at != std::string::npos; at = message.find(part, at))
      message.erase(at, part.size());
  }
  return message;
}

template <size_t N>
const Rule* RuleFor(const std::array<Rule, N>& rules, const std::string& message,
                    const std::string& uri) {
  const std::string lower = Lower(WithoutNames(message, uri));
  const auto* found = std::ranges::find_if(
      rules, [&](const Rule& rule) { return lower.find(rule.sign) != std::string::npos; });
  return found == rules.end() ? nullptr : found;
}

Error Made(Code code, std::string_view reason, std::string message, const std::string& uri) {
  return Error(code, std::string(reason), std::move(message)).With("uri", Quote(uri));
}

bool IsOfTheTool(const Error& cause) { return cause.reason == kToolFailed; }

}  // namespace

std::string MessageOf(std::string_view said) {
  // A Go program that crashed: the reason, without the trace.
  if (size_t panic = said.find("panic: "); panic != std::string_view::npos) {
    std::string_view line = said.substr(panic + 7);
    for (std::string_view after : {"\n", " goroutine ", " [recovered]"})
      line = line.substr(0, line.find(after));
    return "the tool crashed: " + std::string(CutUtf8(line, kSaidBytesMax));
  }
  // time="..." level=fatal msg="..."
  if (size_t msg = said.rfind("msg=\""); msg != std::string_view::npos) {
    std::string text;
    for (size_t i = msg + 5; i < said.size() && said[i] != '"'; ++i) {
      if (said[i] == '\\' && i + 1 < said.size()) ++i;
      text += said[i];
    }
    return std::string(CutUtf8(text, kSaidBytesMax));
  }
  constexpr std::string_view kStatus = " ended with status ";
  if (size_t status = said.find(kStatus); status != std::string_view::npos) {
    if (size_t colon = said.find(": ", status); colon != std::string_view::npos)
      said = said.substr(colon + 2);
  }
  // umoci prints its steps before what failed.
  if (size_t last = said.rfind("   "); last != std::string_view::npos) said = said.substr(last + 3);
  return std::string(CutUtf8(said, kSaidBytesMax));
}

Error PullFailed(const std::string& uri, const Error& cause) {
  if (cause.code == Code::kCanceled || cause.reason == kToolMissing) return cause;
  const std::string what = fmt::format("pulling {}", Quote(uri));
  if (cause.reason == kToolTimedOut) {
    return Made(Code::kUnavailable, "IMAGE_NOT_PULLED",
                what + ": it took too long and was stopped; the agent tries again", uri);
  }
  const std::string message = MessageOf(cause.message);
  const Rule* rule = IsOfTheTool(cause) ? RuleFor(kPullRules, message, uri) : nullptr;
  if (rule == nullptr)
    return Made(Code::kUnavailable, "IMAGE_NOT_PULLED", what + ": " + message, uri);
  return Made(rule->code, rule->reason, fmt::format("{}: {}: {}", what, message, rule->advice),
              uri);
}

Error UnpackFailed(const std::string& uri, const Error& cause) {
  if (cause.code == Code::kCanceled || cause.reason == kToolMissing) return cause;
  const std::string what = fmt::format("unpacking {}", Quote(uri));
  if (cause.reason == kToolTimedOut) {
    return Made(Code::kUnimplemented, "IMAGE_NOT_SUPPORTED",
                what + ": it takes longer than 30 minutes: make the image smaller", uri);
  }
  const std::string message = MessageOf(cause.message);
  const Rule* rule = IsOfTheTool(cause) ? RuleFor(kUnpackRules, message, uri) : nullptr;
  if (rule == nullptr)
    return Made(Code::kInternal, "IMAGE_NOT_UNPACKED", what + ": " + message, uri);
  return Made(rule->code, rule->reason, fmt::format("{}: {}: {}", what, message, rule->advice),
              uri);
}

Error StartFailed(const Error& cause) {
  constexpr std::string_view kSign = "unable to start container process: ";
  const std::string message = MessageOf(cause.message);
  const size_t at = message.find(kSign);
  if (!IsOfTheTool(cause) || at == std::string::npos) return cause;
  return FailedPrecondition(
      "COMMAND_NOT_STARTED",
      fmt::format("the image's command cannot be run: {}: check its ENTRYPOINT, CMD and WORKDIR",
                  message.substr(at + kSign.size())));
}

}  // namespace tallyman::agent::oci
