// Errors as values.
//
// An Error says what failed, why, and what to do next. `code` is one of the sixteen codes of the
// Connect protocol; `reason` is a stable word that scripts may compare (UPGRADE_SAME_IMAGE);
// `facts` carry the numbers that the message mentions. A plain value: any thread may own one.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tallyman {

enum class Code {
  kCanceled,
  kUnknown,
  kInvalidArgument,
  kDeadlineExceeded,
  kNotFound,
  kAlreadyExists,
  kPermissionDenied,
  kResourceExhausted,
  kFailedPrecondition,
  kAborted,
  kOutOfRange,
  kUnimplemented,
  kInternal,
  kUnavailable,
  kDataLoss,
  kUnauthenticated,
};

// One row per code: its name on the wire, its HTTP status (Connect specification, "Error codes")
// and the exit status of the command line.
struct CodeRow {
  Code code;
  std::string_view name;
  int http_status;
  int exit_status;
};

// All sixteen rows, in the order of the enumerators.
const std::vector<CodeRow>& CodeTable();
const CodeRow& RowOf(Code code);

// An unknown name gives kUnknown.
Code CodeFromName(std::string_view name);

struct Error {
  Code code = Code::kUnknown;
  std::string reason;
  std::string message;
  // What the error is about, such as "node eth-1" or "image ethereum/reth-mainnet-full@0.0.9".
  std::string resource;
  std::vector<std::pair<std::string, std::string>> facts;

  Error() = default;
  Error(Code c, std::string r, std::string m)
      : code(c), reason(std::move(r)), message(std::move(m)) {}

  Error&& About(std::string what) &&;
  Error&& With(std::string key, std::string value) &&;
  // The value of a fact; "" when there is no fact of that key.
  std::string_view Fact(std::string_view key) const;

  friend bool operator==(const Error&, const Error&) = default;
};

Error InvalidArgument(std::string reason, std::string message);
Error NotFound(std::string reason, std::string message);
Error AlreadyExists(std::string reason, std::string message);
Error FailedPrecondition(std::string reason, std::string message);
Error Internal(std::string reason, std::string message);
Error DataLoss(std::string reason, std::string message);

}  // namespace tallyman
