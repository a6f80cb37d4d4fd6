#include "cli/parse.h"

#include <fmt/core.h>

#include <boost/json.hpp>

#include "base/reasons.h"
#include "base/text.h"
#include "cli/nouns.h"

namespace tallyman::cli {
namespace {

constexpr const char* kFooter =
    "Examples:\n"
    "  export TALLYMAN_DB=sqlite:fleet.db     or TALLYMAN_SERVER=https://tallyman.example:7480\n"
    "  tallyman db migrate\n"
    "  tallyman org create acme\n"
    "  tallyman import images images.csv\n"
    "  tallyman import hosts hosts.csv --disk-gb 8000 --region eu-west\n"
    "  tallyman node create --image ethereum/reth-mainnet-full@0.0.9 --count 20 --region eu-west\n"
    "  tallyman node upgrade --all-of ethereum/reth-mainnet-full@0.0.9 \\\n"
    "    --image ethereum/reth-mainnet-full@0.0.10 --dry-run\n"
    "  tallyman audit\n"
    "\n"
    "Each noun and each verb has a --help with more.\n"
    "\n"
    "Exit status: 0 success, 1 failure, 2 invalid argument, 3 drift found (audit, ledger), 4 not "
    "found,\n"
    "5 already exists, 6 permission denied, 7 no capacity, 8 failed precondition, 9 try again,\n"
    "10 not well (status).\n";

Status ReadOutput(const std::string& text, GlobalOptions& globals) {
  OutputFormat& output = globals.output;
  if (text == "table" || text == "wide") {
    output = OutputFormat::kTable;
    globals.wide = text == "wide";
  } else if (text == "json") {
    output = OutputFormat::kJson;
  } else if (text == "yaml") {
    output = OutputFormat::kYaml;
  } else if (!text.empty()) {
    return Fail(InvalidArgument(
        kUsage, fmt::format("--output is {}: write table, wide, json or yaml", Quote(text))));
  }
  return {};
}

// The options that every command takes.
void DefineGlobals(Word root, GlobalOptions& globals) {
  root.Text("--db", "DSN", &globals.db,
            "The database, such as sqlite:fleet.db (default: TALLYMAN_DB)");
  root.Text("--server", "URL", &globals.server,
            "The server to call, instead of a database (default: TALLYMAN_SERVER)");
  root.Text("--context", "NAME", &globals.context,
            "A context that names either (default: TALLYMAN_CONTEXT, else the current one)");
  root.Text("--token-file", "FILE", &globals.token_file,
            "File with the token for the server (default: TALLYMAN_TOKEN holds the token)");
  root.Text("--token", "TOKEN", &globals.token,
            "The token itself; other users of this machine can see it");
  root.Text("--ca", "FILE", &globals.ca,
            "Certificate of the authority that signed the server's (default: the system's)");
  root.Text("--timeout", "TIME", &globals.timeout,
            "How long a call and its retries may take, such as 90s (default: 30s)");
  root.Flag("--insecure", &globals.insecure,
            "Allow plain HTTP, token included, to another machine");
  root.Value(
      "-o,--output", "FORMAT",
      [&globals](const auto&, const auto& text) { return ReadOutput(text, globals); },
      "table (default), wide (all columns, nothing cut), json or yaml");
  root.Flag("-q,--quiet", &globals.quiet,
            "Print only the last line of what was done; of a list, the names");
  root.Text("--actor", "NAME", &globals.actor,
            "The name recorded with each change (default: TALLYMAN_ACTOR, else USER)");
}

ExitStatus ShowVersion(Context& context) {
  const std::string& version = context.environment().version;
  if (context.is_table()) {
    context.Line(version);
  } else {
    context.PrintDocument(boost::json::object{{"version", version}});
  }
  return kExitDone;
}

void DefineWords(Word root, const CliEnvironment& environment) {
  DefineNode(root);
  DefineOrg(root);
  DefineRegion(root);
  DefineHost(root);
  DefineProtocol(root);
  DefineImage(root);
  DefineRollout(root);
  DefinePolicy(root);
  DefineStatus(root);
  DefineTop(root);
  DefineAudit(root);
  DefineLedger(root);
  DefineEvents(root);
  DefineCommand(root);
  DefineToken(root);
  DefineWhoAmI(root);
  DefineContext(root);
  DefineDatabase(root);
  DefineImport(root);
  DefineApply(root);
  DefineDiff(root);
  DefineExport(root);
  DefineCompletion(root);
  DefineManual(root, environment.version);
  root.Verb("version", "Print the version of this program", "  tallyman version", ShowVersion);
  for (const ExtraCommand& extra : environment.extra_commands)
    root.Passthrough(extra.name, extra.description, extra.run);
}

// Lives as long as the command, which works with the options that were parsed.
struct Line {
  explicit Line(const std::string& version)
      : words("tallyman",
              "Tallyman counts what every node on every host uses, and keeps books that balance.",
              kFooter, version) {}

  CommandLine words;
  GlobalOptions globals;
};

}  // namespace

Result<Parsed> ParseCommandLine(const std::vector<std::string>& arguments,
                                const CliEnvironment& environment) {
  auto line = std::make_shared<Line>(environment.version);
  DefineGlobals(line->words.root(), line->globals);
  DefineWords(line->words.root(), environment);
  ASSIGN_OR_RETURN(auto meaning, line->words.Parse(arguments));
  Parsed parsed{.globals = line->globals, .text = std::move(meaning.text)};
  if (meaning.action) {
    parsed.action = [line, action = std::move(meaning.action)](Context& context) {
      return action(context);
    };
  }
  return parsed;
}

OutputFormat GuessOutputFormat(const std::vector<std::string>& arguments) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string_view argument = arguments[i];
    if (argument == "--") break;
    std::string_view format;
    if (argument == "-o" || argument == "--output") {
      if (i + 1 < arguments.size()) format = arguments[i + 1];
    } else if (argument.starts_with("--output=")) {
      format = argument.substr(9);
    } else if (argument.starts_with("-o")) {
      format = argument.substr(2);
    }
    if (format == "json") return OutputFormat::kJson;
    if (format == "yaml") return OutputFormat::kYaml;
  }
  return OutputFormat::kTable;
}

}  // namespace tallyman::cli
