#include "agent/join.h"

#include <fmt/core.h>

#include "agent/file.h"
#include "base/random.h"
#include "tallyman/v1/agent.pb.h"

namespace tallyman::agent {
namespace {

constexpr char kHostId[] = "host_id";
constexpr char kHost[] = "host";
constexpr char kNonce[] = "join_nonce";
constexpr char kToken[] = "host_token";
constexpr char kNextSequence[] = "next_sequence";

// One for the life of the journal: only together with a join token does it mean anything.
Result<std::string> NonceFor(SqliteJournal& journal, SecretSource& secrets) {
  ASSIGN_OR_RETURN(std::string nonce, journal.Fact(kNonce));
  if (!nonce.empty()) return nonce;
  nonce = secrets.NewHex(16);
  RETURN_IF_ERROR(journal.SetFact(kNonce, nonce));
  return nonce;
}

}  // namespace

Result<std::optional<HostIdentity>> LoadIdentity(SqliteJournal& journal,
                                                 const std::filesystem::path& token_file) {
  HostIdentity identity;
  ASSIGN_OR_RETURN(identity.host_id, journal.Fact(kHostId));
  ASSIGN_OR_RETURN(identity.host, journal.Fact(kHost));
  if (identity.host_id.empty()) return std::nullopt;
  ASSIGN_OR_RETURN(identity.token, journal.Fact(kToken));
  if (!identity.token.empty()) return identity;
  // The last release kept it in the file only.
  auto text = ReadFile(token_file);
  if (!text && text.error().reason == kFileMissing) return std::nullopt;
  if (!text) return Fail(text.error());
  identity.token = text->substr(0, text->find('\n'));
  RETURN_IF_ERROR(journal.SetFact(kToken, identity.token));
  return identity;
}

Result<HostIdentity> Join(client::Client& client, SqliteJournal& journal, SecretSource& secrets,
                          const std::filesystem::path& token_file, const std::string& join_token,
                          const MachineFacts& facts) {
  if (facts.capacity.disk_bytes <= 0) {
    return Fail(FailedPrecondition(
        "HOST_DISK_FULL",
        fmt::format("the disk of {} has no room for nodes: what is free is kept for logs, the "
                    "journal and the machine itself. Free some of it, or start with a --data "
                    "directory on another disk",
                    token_file.parent_path().string())));
  }
  v1::JoinRequest request;
  request.set_join_token(join_token);
  ASSIGN_OR_RETURN(*request.mutable_nonce(), NonceFor(journal, secrets));
  ASSIGN_OR_RETURN(*request.mutable_host_id(), journal.Fact(kHostId));
  v1::HostFacts& said = *request.mutable_facts();
  said.set_hostname(facts.hostname);
  said.set_agent_version(facts.agent_version);
  said.set_runtime(facts.runtime);
  said.mutable_capacity()->set_cpu_cores(facts.capacity.cpu_cores);
  said.mutable_capacity()->set_memory_bytes(facts.capacity.memory_bytes);
  said.mutable_capacity()->set_disk_bytes(facts.capacity.disk_bytes);
  v1::JoinResponse response;
  RETURN_IF_ERROR(client.Call("tallyman.v1.AgentService/Join", request, response));

  // A server of the last release does not look at it.
  const std::string& before = request.host_id();
  if (!before.empty() && before != response.host_id()) {
    ASSIGN_OR_RETURN(const std::string name, journal.Fact(kHost));
    return Fail(FailedPrecondition(
        "OTHER_HOST",
        fmt::format("the token admits host {}, but this data directory belongs to host {}: make a "
                    "token with --host {}, or start with an empty directory",
                    response.host(), name, name)));
  }
  HostIdentity identity{
      .host_id = response.host_id(), .host = response.host(), .token = response.host_token()};
  // The server counts the reports of a host that joins from 1 again, and has counted one.
  RETURN_IF_ERROR(journal.SetFact(kNextSequence, "2"));
  RETURN_IF_ERROR(journal.SetFact(kHost, identity.host));
  RETURN_IF_ERROR(journal.SetFact(kHostId, identity.host_id));
  RETURN_IF_ERROR(journal.SetFact(kToken, identity.token));
  // For people and for the last release; there may be no space for it.
  (void)WriteFileAtomically(token_file, identity.token + "\n", 0600).has_value();
  return identity;
}

}  // namespace tallyman::agent
