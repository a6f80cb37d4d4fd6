#include "store/refusals.h"

#include <fmt/core.h>

#include "base/reasons.h"
#include "base/text.h"

namespace tallyman::store {

Error NotOneRow(std::string reason, std::string_view kind, std::string_view name, const Uuid& id,
                int64_t version) {
  return Internal(std::move(reason), fmt::format("{} {} is no longer at version {}, or does not "
                                                 "exist: nothing was written; try again",
                                                 kind, Quote(name), version))
      .About(fmt::format("{} {}", kind, name))
      .With("id", id.ToString())
      .With("version", std::to_string(version));
}

Error CommandNotThere(const CommandId& id) {
  return Internal(kCommandUpdateFailed,
                  fmt::format("command {} does not exist: nothing was written", id.ToString()));
}

Error TokenChanged(const TokenId& id) {
  return Error(Code::kAborted, kTokenChanged,
               fmt::format("token {} was revoked or used in the meantime: nothing was written",
                           id.ToString()))
      .About("token " + id.ToString());
}

Error PolicyChanged(const PolicyId& id) {
  return Error(Code::kAborted, kPolicyChanged,
               fmt::format("upgrade policy {} was set or deleted in the meantime: nothing was "
                           "written; try again",
                           id.ToString()))
      .About("upgrade policy " + id.ToString());
}

Error BooksMismatch(int64_t wrong, const HostId& first, std::string_view name,
                    std::string_view why) {
  return FailedPrecondition(
             kBooksMismatch,
             fmt::format("the books of {} host(s) would not balance, so nothing was written: "
                         "on host {} {}; run `tallyman audit`",
                         wrong, name, why))
      .About(fmt::format("host {}", name))
      .With("hosts", std::to_string(wrong))
      .With("host_id", first.ToString());
}

Error ReportOutdated(const HostId& host) {
  return Error(Code::kAborted, kReportOutdated,
               fmt::format("a later report of host {} was processed first: report again",
                           host.ToString()))
      .With("host_id", host.ToString());
}

Error SumsOverflow(const HostId& host) {
  return Error(Code::kOutOfRange, kResourceOverflow,
               fmt::format("the live nodes of host {} add up to more than 64 bits: run "
                           "`tallyman audit`",
                           host.ToString()))
      .With("host_id", host.ToString());
}

Error UnreadableConfig(const Node& node, std::string_view what) {
  return DataLoss(
             "OLD_CONFIG_UNREADABLE",
             fmt::format("config {} of node {} {}: restore it from a backup, or delete the node",
                         node.config_id.ToString(), Quote(node.name), what))
      .About(fmt::format("node {}", node.name))
      .With("config_id", node.config_id.ToString())
      .With("node_id", node.id.ToString())
      .With("node", node.name);
}

Error MissingImage(const Node& node) {
  return DataLoss("DATABASE_CORRUPT",
                  fmt::format("image {} of node {} is missing: restore a backup",
                              node.image_id.ToString(), Quote(node.name)))
      .With("node_id", node.id.ToString())
      .With("image_id", node.image_id.ToString());
}

Error UnreadableCorrections(const LedgerEntry& entry) {
  return DataLoss("DATABASE_CORRUPT",
                  fmt::format("the corrections of ledger entry {} of host {} are not readable: "
                              "restore a backup",
                              entry.seq, entry.host_id.ToString()));
}

Error UnknownListField(std::string_view name) {
  return InvalidArgument(
             "INVALID_LIST",
             fmt::format("the list has no field {}: see its help for the fields", Quote(name)))
      .With("field", std::string(name));
}

Error ReadAfterWrite() {
  return Internal("READ_AFTER_WRITE",
                  "a transaction was asked to read after it wrote: this is a bug");
}

Error TogetherWithin() {
  return Internal("TOGETHER_WITHIN",
                  "a transaction was asked to begin another one within it: this is a bug");
}

}  // namespace tallyman::store
