// Errors that every backend returns in the same words; store.h lists them.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "model/ledger.h"
#include "model/node.h"

namespace tallyman::store {

// Reasons that code compares.
inline constexpr char kBooksMismatch[] = "BOOKS_MISMATCH";
inline constexpr char kCommandUpdateFailed[] = "COMMAND_UPDATE_FAILED";
inline constexpr char kDatabaseAccessDenied[] = "DATABASE_ACCESS_DENIED";
inline constexpr char kDatabaseMissing[] = "DATABASE_MISSING";
inline constexpr char kDatabaseMoved[] = "DATABASE_MOVED";
inline constexpr char kDatabaseQueueFull[] = "DATABASE_QUEUE_FULL";
inline constexpr char kDatabaseQueueTimeout[] = "DATABASE_QUEUE_TIMEOUT";
inline constexpr char kHostUpdateFailed[] = "HOST_UPDATE_FAILED";
inline constexpr char kNodeUpdateFailed[] = "NODE_UPDATE_FAILED";
inline constexpr char kPolicyChanged[] = "POLICY_CHANGED";
inline constexpr char kReportOutdated[] = "REPORT_OUTDATED";
inline constexpr char kRequestRaced[] = "REQUEST_RACED";
inline constexpr char kRolloutUpdateFailed[] = "ROLLOUT_UPDATE_FAILED";
inline constexpr char kTokenChanged[] = "TOKEN_CHANGED";
inline constexpr char kTokenNameTaken[] = "TOKEN_NAME_TAKEN";

// An update did not find the row at the version that was read.
Error NotOneRow(std::string reason, std::string_view kind, std::string_view name, const Uuid& id,
                int64_t version);
Error CommandNotThere(const CommandId& id);
// A token was revoked or used since it was read.
Error TokenChanged(const TokenId& id);
// An upgrade policy was set or deleted since it was read.
Error PolicyChanged(const PolicyId& id);
// The proof of the books failed on `wrong` hosts; `why` describes the first of them.
Error BooksMismatch(int64_t wrong, const HostId& first, std::string_view name,
                    std::string_view why);
// A later report of the host was written in the meantime.
Error ReportOutdated(const HostId& host);
Error SumsOverflow(const HostId& host);
// `what` says what is missing or broken in the config of a node.
Error UnreadableConfig(const Node& node, std::string_view what);
Error MissingImage(const Node& node);
Error UnreadableCorrections(const LedgerEntry& entry);
Error UnknownListField(std::string_view name);
Error ReadAfterWrite();
// Store::Together() within itself.
Error TogetherWithin();

}  // namespace tallyman::store
