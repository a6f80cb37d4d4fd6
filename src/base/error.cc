#include "base/error.h"

namespace tallyman {

const std::vector<CodeRow>& CodeTable() {
  // Exit statuses: 1 is any failure, 2 an invalid argument, 3 is reserved for the audit's "drift";
  // the others let a script distinguish "try again" from "ask someone".
  static const std::vector<CodeRow> kTable = {
      {Code::kCanceled, "canceled", 499, 9},
      {Code::kUnknown, "unknown", 500, 1},
      {Code::kInvalidArgument, "invalid_argument", 400, 2},
      {Code::kDeadlineExceeded, "deadline_exceeded", 504, 9},
      {Code::kNotFound, "not_found", 404, 4},
      {Code::kAlreadyExists, "already_exists", 409, 5},
      {Code::kPermissionDenied, "permission_denied", 403, 6},
      {Code::kResourceExhausted, "resource_exhausted", 429, 7},
      {Code::kFailedPrecondition, "failed_precondition", 400, 8},
      {Code::kAborted, "aborted", 409, 9},
      {Code::kOutOfRange, "out_of_range", 400, 2},
      {Code::kUnimplemented, "unimplemented", 501, 2},
      {Code::kInternal, "internal", 500, 1},
      {Code::kUnavailable, "unavailable", 503, 9},
      {Code::kDataLoss, "data_loss", 500, 1},
      {Code::kUnauthenticated, "unauthenticated", 401, 6},
  };
  return kTable;
}

const CodeRow& RowOf(Code code) { return CodeTable()[static_cast<size_t>(code)]; }

Code CodeFromName(std::string_view name) {
  for (const CodeRow& row : CodeTable()) {
    if (row.name == name) return row.code;
  }
  return Code::kUnknown;
}

Error&& Error::About(std::string what) && {
  resource = std::move(what);
  return std::move(*this);
}

Error&& Error::With(std::string key, std::string value) && {
  facts.emplace_back(std::move(key), std::move(value));
  return std::move(*this);
}

std::string_view Error::Fact(std::string_view key) const {
  for (const auto& [k, v] : facts) {
    if (k == key) return v;
  }
  return {};
}

Error InvalidArgument(std::string reason, std::string message) {
  return {Code::kInvalidArgument, std::move(reason), std::move(message)};
}
Error NotFound(std::string reason, std::string message) {
  return {Code::kNotFound, std::move(reason), std::move(message)};
}
Error AlreadyExists(std::string reason, std::string message) {
  return {Code::kAlreadyExists, std::move(reason), std::move(message)};
}
Error FailedPrecondition(std::string reason, std::string message) {
  return {Code::kFailedPrecondition, std::move(reason), std::move(message)};
}
Error Internal(std::string reason, std::string message) {
  return {Code::kInternal, std::move(reason), std::move(message)};
}
Error DataLoss(std::string reason, std::string message) {
  return {Code::kDataLoss, std::move(reason), std::move(message)};
}

}  // namespace tallyman
