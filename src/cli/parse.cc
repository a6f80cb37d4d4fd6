#include "cli/parse.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>

#include "base/text.h"
#include "cli/completion.h"
#include "cli/definitions.h"

namespace tallyman {
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
    "Exit status: 0 done, 1 failed, 2 wrongly typed or refused, 3 the audit found drift, 4 not "
    "found,\n"
    "5 there already, 6 not allowed, 7 no room, 8 not in this state, 9 try again.\n";

int EditDistance(const std::string& a, const std::string& b) {
  std::vector<int> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 1; i <= a.size(); ++i) {
    int diagonal = row[0];
    row[0] = static_cast<int>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const int substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({substituted, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

std::vector<std::string> OptionNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

std::vector<std::string> WordNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* word : app.get_subcommands({})) names.push_back(word->get_name());
  return names;
}

CommandWord ToWord(const CLI::App& app) {
  CommandWord word{.name = app.get_name(),
                   .description = app.get_description(),
                   .options = OptionNames(app),
                   .words = {}};
  std::ranges::replace(word.description, '\n', ' ');
  for (const CLI::App* child : app.get_subcommands({})) word.words.push_back(ToWord(*child));
  return word;
}

// The deepest word that was understood.
const CLI::App& Deepest(const CLI::App& root) {
  const CLI::App* app = &root;
  while (!app->get_subcommands().empty()) app = app->get_subcommands().back();
  return *app;
}

std::string PathOf(const CLI::App& app) {
  return app.get_parent() == nullptr ? app.get_name()
                                     : PathOf(*app.get_parent()) + " " + app.get_name();
}

Error Usage(const CLI::App& root, const std::string& what) {
  return InvalidArgument("USAGE",
                         fmt::format("{}; see \"{} --help\"", what, PathOf(Deepest(root))));
}

// What is wrong with words that nothing was found for.
Error UnknownWord(const CLI::App& root, const std::string& word) {
  const CLI::App& app = Deepest(root);
  const bool is_option = word.size() > 1 && word[0] == '-';
  std::vector<std::string> known = is_option ? OptionNames(app) : WordNames(app);
  if (is_option) {
    const std::vector<std::string> everywhere = OptionNames(root);
    known.insert(known.end(), everywhere.begin(), everywhere.end());
  }
  const std::string name = is_option ? word.substr(0, word.find('=')) : word;
  const std::string nearest = Nearest(name, known);
  const bool takes_words = !WordNames(app).empty();
  std::string what =
      is_option ? fmt::format("\"{}\" has no option {}", PathOf(app), Quote(name))
      : takes_words && &app == &root ? fmt::format("there is no command {}", Quote(name))
      : takes_words ? fmt::format("\"{}\" has no command {}", PathOf(app), Quote(name))
                    : fmt::format("\"{}\" does not take {}", PathOf(app), Quote(name));
  if (!nearest.empty()) what += fmt::format("; did you mean \"{}\"?", nearest);
  return nearest.empty() ? Usage(root, what)
                         : InvalidArgument("USAGE", what).With("nearest", nearest);
}

// The arguments that no command took; "--" itself is none.
std::vector<std::string> LeftOver(const CLI::App& root) {
  std::vector<std::string> words = root.remaining(true);
  std::erase(words, "--");
  return words;
}

// An empty line below the description.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_description(const CLI::App* app) const override {
    return CLI::Formatter::make_description(app) + "\n";
  }
};

class CommandLine {
 public:
  explicit CommandLine(const CliEnvironment& environment)
      : environment_(environment),
        root_("Tallyman counts what every node on every host uses, and keeps books that balance.",
              "tallyman") {
    // Before the words are added: they take it over.
    root_.formatter(std::make_shared<HelpFormatter>());
    root_.get_formatter()->column_width(34);
    root_.require_subcommand(1);
    root_.footer(kFooter);
    root_.set_version_flag("--version", environment.version, "Print the version");
    AddText(&root_, "--db", globals_.db, "DSN",
            "The database, such as sqlite:fleet.db (default: TALLYMAN_DB)");
    AddText(&root_, "--server", globals_.server, "URL",
            "Instead of a database: a server to call (default: TALLYMAN_SERVER)");
    AddText(&root_, "--context", globals_.context, "NAME",
            "Instead of both: a context (default: TALLYMAN_CONTEXT, else the current one)");
    AddText(&root_, "--token-file", globals_.token_file, "FILE",
            "Holds the token for the server (default: TALLYMAN_TOKEN is the token)");
    AddText(&root_, "--token", globals_.token, "TOKEN",
            "The token itself; others on this machine can see it");
    AddText(&root_, "--ca", globals_.ca, "FILE",
            "Certificate of the authority that the server's is from (default: the system's)");
    AddText(&root_, "--timeout", globals_.timeout, "TIME",
            "How long a call to a server may take, such as 90s (default: 30s)");
    root_.add_flag("--insecure", globals_.insecure,
                   "Send a token over plain HTTP to another machine");
    AddText(&root_, "-o,--output", output_, "FORMAT", "table (default), json or yaml");
    root_.add_flag("-q,--quiet", globals_.quiet, "Print only the last line of what was done");
    AddText(&root_, "--actor", globals_.actor, "NAME",
            "Who the books say did it (default: TALLYMAN_ACTOR, else USER)");
    DefineNodeCommands(root_, chosen_);
    DefineFleetCommands(root_, chosen_);
    DefineRecordCommands(root_, chosen_);
    DefineAccessCommands(root_, chosen_);
    DefineDatabaseCommands(root_, chosen_);
    DefineCompletion();
    for (const ExtraCommand& extra : environment.extra_commands) DefineExtra(extra);
  }

  Result<Parsed> Parse(const std::vector<std::string>& arguments) {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    try {
      root_.parse(reversed);
    } catch (const CLI::CallForHelp&) {
      return Parsed{.globals = globals_, .command = {}, .text = root_.help()};
    } catch (const CLI::CallForVersion&) {
      return Parsed{.globals = globals_, .command = {}, .text = environment_.version + "\n"};
    } catch (const CLI::ExtrasError&) {
      return Fail(UnknownWord(root_, LeftOver(root_).at(0)));
    } catch (const CLI::RequiredError& e) {
      return Fail(Missing(e));
    } catch (const CLI::ParseError& e) {
      return Fail(Usage(root_, e.what()));
    }
    RETURN_IF_ERROR(ReadOutput());
    return Parsed{.globals = globals_, .command = chosen_.command, .text = {}};
  }

 private:
  void DefineCompletion() {
    auto shell = std::make_shared<std::string>();
    CLI::App* command =
        AddCommand(root_, "completion", "Print a script that completes these words in a shell",
                   "  source <(tallyman completion bash)\n"
                   "  tallyman completion fish | source",
                   shell, chosen_, [this](Context& context, const std::string& name) {
                     return PrintCompletion(context, name);
                   });
    AddPositional(command, "SHELL", *shell, "bash, zsh or fish");
  }

  CommandResult PrintCompletion(Context& context, const std::string& shell) const {
    ASSIGN_OR_RETURN(const std::string script, CompletionScript(shell, ToWord(root_)));
    context.environment().out << script;
    return kExitDone;
  }

  void DefineExtra(const ExtraCommand& extra) {
    CLI::App* command = root_.add_subcommand(extra.name, extra.description);
    // All that follows is the extra command's own business, --help too.
    command->prefix_command();
    command->set_help_flag();
    command->callback([this, command, &extra] {
      chosen_.command = [run = extra.run, rest = command->remaining()](Context&) -> CommandResult {
        return run(rest);
      };
    });
  }

  Error Missing(const CLI::RequiredError& e) const {
    const CLI::App& app = Deepest(root_);
    const std::vector<std::string> left = LeftOver(root_);
    if (!WordNames(app).empty()) {
      if (!left.empty()) return UnknownWord(root_, left[0]);
      return InvalidArgument("NO_COMMAND", root_.help());
    }
    return left.empty() ? Usage(root_, e.what()) : UnknownWord(root_, left[0]);
  }

  Status ReadOutput() {
    if (output_.empty() || output_ == "table") return {};
    if (output_ != "json" && output_ != "yaml") {
      return Fail(InvalidArgument(
          "USAGE", fmt::format("-o is {}: write table, json or yaml", Quote(output_))));
    }
    globals_.output = output_ == "json" ? OutputFormat::kJson : OutputFormat::kYaml;
    return {};
  }

  const CliEnvironment& environment_;
  GlobalOptions globals_;
  std::string output_;
  Chosen chosen_;
  CLI::App root_;
};

}  // namespace

Result<Parsed> ParseCommandLine(const std::vector<std::string>& arguments,
                                const CliEnvironment& environment) {
  auto line = std::make_shared<CommandLine>(environment);
  ASSIGN_OR_RETURN(Parsed parsed, line->Parse(arguments));
  if (parsed.command) {
    // The command may ask the words that it was parsed with, so they live as long as it does.
    parsed.command = [line, command = std::move(parsed.command)](Context& context) {
      return command(context);
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

std::string Nearest(const std::string& typed, const std::vector<std::string>& known) {
  constexpr size_t kTypedBytesMax = 64;
  if (typed.size() > kTypedBytesMax) return {};
  std::string nearest;
  int distance_min = std::max(2, static_cast<int>(typed.size()) / 3) + 1;
  for (const std::string& word : known) {
    const int distance = EditDistance(typed, word);
    if (distance < distance_min && distance < static_cast<int>(word.size())) {
      nearest = word;
      distance_min = distance;
    }
  }
  return nearest;
}

}  // namespace tallyman
