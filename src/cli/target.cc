#include "cli/target.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/reasons.h"
#include "base/text.h"
#include "cli/config.h"
#include "cli/files.h"
#include "cli/requests.h"

namespace tallyman::cli {
namespace {

constexpr size_t kTokenBytesMax = 4096;

// A way to name a target, and what was given.
struct Given {
  std::string_view way;
  std::string value;
};

Result<const Given*> OnlyOne(const std::vector<Given>& givens) {
  const Given* only = nullptr;
  for (const Given& given : givens) {
    if (given.value.empty()) continue;
    if (only != nullptr) {
      return Fail(InvalidArgument(
          "AMBIGUOUS_TARGET",
          fmt::format("{} and {} are both given: leave one of them out", only->way, given.way)));
    }
    only = &given;
  }
  return only;
}

std::string Variable(Context& context, const char* name) {
  return context.environment().variable(name).value_or("");
}

// The context that is meant, or one made of what is given.
Result<ConfigContext> Choose(Context& context) {
  const GlobalOptions& options = context.globals();
  const std::vector<Given> typed = {
      {"--db", options.db}, {"--server", options.server}, {"--context", options.context}};
  const std::vector<Given> set = {{"TALLYMAN_DB", Variable(context, "TALLYMAN_DB")},
                                  {"TALLYMAN_SERVER", Variable(context, "TALLYMAN_SERVER")},
                                  {"TALLYMAN_CONTEXT", Variable(context, "TALLYMAN_CONTEXT")}};
  ASSIGN_OR_RETURN(const Given* given, OnlyOne(typed));
  if (given == nullptr) {
    ASSIGN_OR_RETURN(given, OnlyOne(set));
  }
  ConfigContext chosen;
  if (given != nullptr && (given->way == "--db" || given->way == "TALLYMAN_DB")) {
    chosen.db = given->value;
    return chosen;
  }
  if (given != nullptr && (given->way == "--server" || given->way == "TALLYMAN_SERVER")) {
    chosen.server = given->value;
    return chosen;
  }
  ASSIGN_OR_RETURN(const Config config, ReadConfig(context));
  if (given == nullptr && config.current.empty()) {
    return Fail(InvalidArgument(
        "NO_DATABASE",
        "no database and no server is named: add --db sqlite:PATH or --server URL, or set "
        "TALLYMAN_DB or TALLYMAN_SERVER, or choose a context with \"tallyman context use\""));
  }
  ASSIGN_OR_RETURN(chosen, FindContext(config, given == nullptr ? config.current : given->value));
  FindFilesBeside(context, chosen);
  return chosen;
}

// The file holds nothing but the token; a line end after it is not part of it.
Result<std::string> ReadToken(Context& context, const std::string& file) {
  ASSIGN_OR_RETURN(std::string token, ReadInput(context, file, kTokenBytesMax));
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) token.pop_back();
  if (!token.empty()) return token;
  return Fail(InvalidArgument(
      kNoToken, fmt::format("the token file {} is empty: write the token into it", Quote(file))));
}

Result<std::string> FindToken(Context& context, const ConfigContext& chosen) {
  const GlobalOptions& options = context.globals();
  if (!options.token.empty() && !options.token_file.empty()) {
    return Fail(InvalidArgument("AMBIGUOUS_TOKEN",
                                "--token and --token-file are both given: leave one of them out"));
  }
  if (!options.token.empty()) return options.token;
  if (!options.token_file.empty()) return ReadToken(context, options.token_file);
  if (std::string token = Variable(context, "TALLYMAN_TOKEN"); !token.empty()) return token;
  if (!chosen.token.empty()) return chosen.token;
  if (!chosen.token_file.empty()) return ReadToken(context, chosen.token_file);
  return std::string();
}

std::string FindActor(Context& context) {
  std::string actor = context.globals().actor;
  for (const char* name : {"TALLYMAN_ACTOR", "USER"}) {
    if (actor.empty()) actor = Variable(context, name);
  }
  return actor.empty() ? "local" : actor;
}

// An option that has no effect on a database is probably a mistake.
Status RefuseForDatabase(const GlobalOptions& options) {
  const std::vector<Given> only_of_servers = {{"--token", options.token},
                                              {"--token-file", options.token_file},
                                              {"--ca", options.ca},
                                              {"--insecure", options.insecure ? "yes" : ""}};
  for (const Given& given : only_of_servers) {
    if (given.value.empty()) continue;
    return Fail(InvalidArgument(
        kUsage,
        fmt::format("{} has no effect on a database: leave it out, or name a server with --server",
                    given.way)));
  }
  return {};
}

Status ReadTimeout(const GlobalOptions& options, ConnectOptions& target) {
  if (options.timeout.empty()) return {};
  if (!target.server && !target.dsn.starts_with("postgres")) {
    return Fail(InvalidArgument(kUsage,
                                "--timeout has no effect on a database file: leave it out, or name "
                                "a server with --server"));
  }
  ASSIGN_OR_RETURN(const int64_t seconds, ParseLifetime("--timeout", options.timeout));
  if (seconds < 1 || seconds > 86'400) {
    return Fail(InvalidArgument("INVALID_LIFETIME",
                                fmt::format("--timeout is {} seconds: write 1s to 24h", seconds)));
  }
  target.timeout = std::chrono::seconds(seconds);
  return {};
}

}  // namespace

Result<ConnectOptions> FindTarget(Context& context) {
  const GlobalOptions& options = context.globals();
  ASSIGN_OR_RETURN(const ConfigContext chosen, Choose(context));
  ConnectOptions target;
  target.actor = FindActor(context);
  if (chosen.server.empty()) {
    RETURN_IF_ERROR(RefuseForDatabase(options));
    target.dsn = chosen.db;
    RETURN_IF_ERROR(ReadTimeout(options, target));
    return target;
  }
  if (!options.actor.empty()) {
    return Fail(InvalidArgument(
        kUsage,
        "--actor has no effect on a server, where the token names the actor: leave it out"));
  }
  ServerTarget& server = target.server.emplace();
  server.url = chosen.server;
  ASSIGN_OR_RETURN(server.token, FindToken(context, chosen));
  server.ca_file = options.ca.empty() ? chosen.ca : options.ca;
  server.insecure = options.insecure;
  RETURN_IF_ERROR(ReadTimeout(options, target));
  return target;
}

}  // namespace tallyman::cli
