// How an agent joins as a host: it exchanges a one-time join token for a host token and keeps that
// in the journal, whose space is reserved, and in a file that only its owner can read.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "agent/sqlite_journal.h"
#include "base/random.h"
#include "client/client.h"
#include "model/resources.h"

namespace tallyman::agent {

// The host that the agent speaks for.
struct HostIdentity {
  std::string host_id;
  std::string host;
  std::string token;
};

// What it reports about its machine when it joins.
struct MachineFacts {
  std::string hostname;
  Resources capacity;
  std::string agent_version;
  std::string runtime;
};

// The identity that an earlier Join() stored. The last release kept the token only in `token_file`;
// this copies it into the journal. nullopt: none.
Result<std::optional<HostIdentity>> LoadIdentity(SqliteJournal& journal,
                                                 const std::filesystem::path& token_file);

// Joins through `client`, which sends no token. The nonce is written down first, so that an agent
// that is killed before it has its token can send the same again and is accepted. Errors are those
// of the method, and FAILED_PRECONDITION OTHER_HOST when the journal is another host's,
// HOST_DISK_FULL when no disk is left for nodes.
Result<HostIdentity> Join(client::Client& client, SqliteJournal& journal, SecretSource& secrets,
                          const std::filesystem::path& token_file, const std::string& join_token,
                          const MachineFacts& facts);

}  // namespace tallyman::agent
