// The words about contexts: servers and databases under a name of your own.
#include <fmt/core.h>

#include <boost/json.hpp>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "base/reasons.h"
#include "base/text.h"
#include "cli/config.h"
#include "cli/document.h"
#include "cli/nouns.h"
#include "cli/views.h"

namespace tallyman::cli {
namespace {

ExitStatus ListContexts(Context& context) {
  ASSIGN_OR_RETURN(const Config config, ReadConfig(context));
  if (!context.is_table()) {
    boost::json::array contexts;
    for (const ConfigContext& item : config.contexts) {
      contexts.push_back(boost::json::object{{"name", ToJsonString(item.name)},
                                             {"current", item.name == config.current},
                                             {"server", ToJsonString(item.server)},
                                             {"db", ToJsonString(item.db)},
                                             {"token_file", ToJsonString(item.token_file)},
                                             {"ca", ToJsonString(item.ca)}});
    }
    context.PrintDocument(boost::json::object{{"contexts", std::move(contexts)}});
    return kExitDone;
  }
  Table table({{""}, {"CONTEXT"}, {"SERVER OR DATABASE"}, {"TOKEN", Align::kLeft, true}}, true);
  for (const ConfigContext& item : config.contexts) {
    table.AddRow({{item.name == config.current ? "*" : ""},
                  {item.name},
                  {item.server.empty() ? item.db : item.server},
                  {!item.token.empty() ? "in this file" : item.token_file}});
  }
  if (context.globals().quiet) {
    for (const ConfigContext& item : config.contexts) context.Line(item.name);
    return kExitDone;
  }
  PrintList(context, table,
            "There are no contexts; create one with \"tallyman context set NAME --server URL\".");
  return kExitDone;
}

ExitStatus UseContext(Context& context, std::string& name) {
  ASSIGN_OR_RETURN(Config config, ReadConfig(context));
  ASSIGN_OR_RETURN(const ConfigContext found, FindContext(config, name));
  config.current = found.name;
  RETURN_IF_ERROR(WriteConfig(context, config));
  context.Confirm("context", name, fmt::format("Commands now go to {}.", name));
  return kExitDone;
}

// Paths are kept as they mean the same from everywhere.
std::string Absolute(const std::string& path) {
  if (path.empty() || path == "-") return path;
  std::error_code ignored;
  const std::filesystem::path absolute = std::filesystem::absolute(path, ignored);
  return ignored ? path : absolute.lexically_normal().string();
}

std::string AbsoluteDsn(const std::string& dsn) {
  constexpr std::string_view kSqlite = "sqlite:";
  if (!dsn.starts_with(kSqlite)) return dsn;
  return std::string(kSqlite) + Absolute(dsn.substr(kSqlite.size()));
}

ExitStatus SetContext(Context& context, std::string& name) {
  RETURN_IF_ERROR(CheckName("context", name));
  if (!context.globals().server.empty() && !context.globals().db.empty()) {
    return Fail(InvalidArgument("AMBIGUOUS_TARGET",
                                "--server and --db are both given: leave one of them out"));
  }
  ASSIGN_OR_RETURN(Config config, ReadConfig(context));
  const GlobalOptions& given = context.globals();
  const ConfigContext* known = config.Find(name);
  ConfigContext changed = known == nullptr ? ConfigContext() : *known;
  changed.name = name;
  // A server and a database take each other's place; so do a token and its file.
  if (!given.server.empty()) changed.server = given.server, changed.db.clear();
  if (!given.db.empty()) {
    changed = ConfigContext();
    changed.name = name;
    changed.db = AbsoluteDsn(given.db);
  }
  if (!given.token.empty()) changed.token = given.token, changed.token_file.clear();
  if (!given.token_file.empty())
    changed.token_file = Absolute(given.token_file), changed.token.clear();
  if (!given.ca.empty()) changed.ca = Absolute(given.ca);
  if (changed.server.empty() == changed.db.empty()) {
    return Fail(InvalidArgument(
        kUsage, fmt::format("context {} has no target: add --server or --db", name)));
  }
  if (known == nullptr) {
    config.contexts.push_back(changed);
  } else {
    *std::ranges::find(config.contexts, name, &ConfigContext::name) = changed;
  }
  if (config.current.empty()) config.current = name;
  RETURN_IF_ERROR(WriteConfig(context, config));
  context.Confirm("context", name,
                  fmt::format("{} context {}{}.", known == nullptr ? "Created" : "Changed", name,
                              config.current == name ? "; commands go there" : ""));
  return kExitDone;
}

ExitStatus DeleteContext(Context& context, std::string& name) {
  ASSIGN_OR_RETURN(Config config, ReadConfig(context));
  RETURN_IF_ERROR(FindContext(config, name));
  std::erase_if(config.contexts, [&](const ConfigContext& item) { return item.name == name; });
  const bool was_current = config.current == name;
  if (was_current) config.current.clear();
  RETURN_IF_ERROR(WriteConfig(context, config));
  context.Confirm(
      "context", name,
      fmt::format("Deleted context {}{}.", name,
                  was_current ? "; choose another one with \"tallyman context use\"" : ""));
  return kExitDone;
}

}  // namespace

void DefineContext(Word root) {
  Word noun = root.Noun(
      "context", "Contexts: servers and databases under a name of your own",
      "  tallyman context set prod --server https://tallyman.example:7480 --token-file prod.token\n"
      "  tallyman context use prod\n"
      "  tallyman context list");
  noun.Verb("list", "List contexts; * marks the current one", "  tallyman context list",
            ListContexts);
  auto [use, used] =
      noun.Verb<std::string>("use", "Choose the context that commands use from now on",
                             "  tallyman context use prod", UseContext);
  use.Argument("NAME", &used, "Its name");
  auto [set, name] = noun.Verb<std::string>(
      "set", "Create or change a context, from --server, --db, --token-file, --token and --ca",
      "  tallyman context set prod --server https://tallyman.example:7480 \\\n"
      "    --token-file ~/prod.token --ca fleet-ca.pem\n"
      "  tallyman context set home --db sqlite:/home/me/fleet.db",
      SetContext);
  set.Argument("NAME", &name, "Its name");
  auto [remove, removed] = noun.Verb<std::string>("delete", "Forget a context; what it names stays",
                                                  "  tallyman context delete prod", DeleteContext);
  remove.Argument("NAME", &removed, "Its name");
}

}  // namespace tallyman::cli
