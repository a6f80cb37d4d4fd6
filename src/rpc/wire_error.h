// Errors on the wire, as the Connect protocol writes them: a JSON object with code, message and one
// typed detail (tallyman.v1.ErrorDetail). Codes and their HTTP statuses are those of base/error.h.
// Pure, thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tallyman {

// The body of a unary call's error.
std::string ErrorJson(const Error& error);

// The last message of a stream: {} or its error.
std::string EndStreamJson(const Status& status);

// The error that an answer with a status other than 200 stands for. A body that is no error of the
// protocol gives the code that the specification derives from the status, and reason HTTP_STATUS.
Error ErrorFromResponse(int http_status, std::string_view body);

// How a stream ended. INTERNAL MALFORMED_END_STREAM for what is no such message.
Status ParseEndStream(std::string_view json);

// For answers without an error of the protocol (specification, "HTTP to Error Code").
Code CodeFromHttpStatus(int http_status);

}  // namespace tallyman
