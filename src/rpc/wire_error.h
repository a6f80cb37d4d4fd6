// Errors in the form of the Connect protocol: a JSON object with code, message and one typed detail
// (tallyman.v1.ErrorDetail). base/error.h has the codes and their HTTP statuses. Pure, thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tallyman::rpc {

// A reason that is compared.
inline constexpr char kHttpStatus[] = "HTTP_STATUS";

// The body of a failed unary call.
std::string ErrorJson(const Error& error);

// The last message of a stream: {} or its error.
std::string EndStreamJson(const Status& status);

// The error of an answer whose status is not 200. If the body is not an error of the protocol, the
// code follows from the status as the specification demands, and the reason is HTTP_STATUS.
Error ErrorFromResponse(int http_status, std::string_view body);

// Parses how a stream ended. INTERNAL MALFORMED_END_STREAM for any other message.
Status ParseEndStream(std::string_view json);

// The code of an answer without an error of the protocol (specification, "HTTP to Error Code").
Code CodeFromHttpStatus(int http_status);

}  // namespace tallyman::rpc
