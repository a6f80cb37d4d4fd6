// Commands on the file with contexts.
#include <fmt/core.h>

#include <boost/json.hpp>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/document.h"
#include "cli/views.h"

namespace tallyman {

CommandResult ListContexts(Context& context) {
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
  Table table({{""}, {"CONTEXT"}, {"SERVER OR DATABASE"}, {"TOKEN", Align::kLeft, true}});
  for (const ConfigContext& item : config.contexts) {
    table.AddRow({{item.name == config.current ? "*" : ""},
                  {item.name},
                  {item.server.empty() ? item.db : item.server},
                  {!item.token.empty() ? "in this file" : item.token_file}});
  }
  PrintList(context, table,
            "There are no contexts; make one with \"tallyman context set NAME --server URL\".");
  return kExitDone;
}

CommandResult UseContext(Context& context, const std::string& name) {
  ASSIGN_OR_RETURN(Config config, ReadConfig(context));
  ASSIGN_OR_RETURN(const ConfigContext found, FindContext(config, name));
  config.current = found.name;
  RETURN_IF_ERROR(WriteConfig(context, config));
  context.Confirm("context", name, fmt::format("Commands go to {} now.", name));
  return kExitDone;
}

CommandResult SetContext(Context& context, const ContextOptions& options) {
  RETURN_IF_ERROR(CheckName("context", options.name));
  if (!context.globals().server.empty() && !context.globals().db.empty()) {
    return Fail(InvalidArgument("AMBIGUOUS_TARGET",
                                "--server and --db are both given: leave one of them out"));
  }
  ASSIGN_OR_RETURN(Config config, ReadConfig(context));
  const GlobalOptions& given = context.globals();
  const ConfigContext* known = config.Find(options.name);
  ConfigContext changed = known == nullptr ? ConfigContext() : *known;
  changed.name = options.name;
  // A server and a database take each other's place; so do a token and its file.
  if (!given.server.empty()) changed.server = given.server, changed.db.clear();
  if (!given.db.empty()) {
    changed = ConfigContext();
    changed.name = options.name;
    changed.db = given.db;
  }
  if (!given.token.empty()) changed.token = given.token, changed.token_file.clear();
  if (!given.token_file.empty()) changed.token_file = given.token_file, changed.token.clear();
  if (!given.ca.empty()) changed.ca = given.ca;
  if (changed.server.empty() == changed.db.empty()) {
    return Fail(InvalidArgument(
        "USAGE", fmt::format("context {} wants a --server or a --db", options.name)));
  }
  if (known == nullptr) {
    config.contexts.push_back(changed);
  } else {
    *std::ranges::find(config.contexts, options.name, &ConfigContext::name) = changed;
  }
  if (config.current.empty()) config.current = options.name;
  RETURN_IF_ERROR(WriteConfig(context, config));
  context.Confirm(
      "context", options.name,
      fmt::format("{} context {}{}.", known == nullptr ? "Made" : "Changed", options.name,
                  config.current == options.name ? "; commands go there" : ""));
  return kExitDone;
}

}  // namespace tallyman
