#include "cli/words.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

#include "base/reasons.h"
#include "base/text.h"
#include "cli/nearest.h"

namespace tallyman::cli {
namespace {

// An empty line below the description.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_description(const CLI::App* app) const override {
    return CLI::Formatter::make_description(app) + "\n";
  }
};

struct Bound {
  const CLI::Option* option;
  Reader reader;
};

Status ReadValues(const std::vector<Bound>& bound) {
  for (const auto& [option, reader] : bound) {
    for (const std::string& value : option->results()) {
      RETURN_IF_ERROR(reader(option->get_name(), value));
      if (!value.empty() || option->get_positional()) continue;
      // Of a variable that is not set: without its plan token, or its region, it is another change.
      return Fail(
          InvalidArgument("EMPTY_OPTION", fmt::format("{} is empty: write a value, or leave it out",
                                                      option->get_name()))
              .With("field", option->get_name()));
    }
  }
  return {};
}

std::vector<std::string> OptionNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

bool IsHidden(const CLI::App& app) { return app.get_group().empty(); }

std::vector<std::string> WordNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* word : app.get_subcommands({})) {
    if (!IsHidden(*word)) names.push_back(word->get_name());
  }
  return names;
}

WordTree::Described DescribedOf(const CLI::Option& option) {
  std::string names;
  const auto add = [&names](const std::string& name) {
    names += names.empty() ? name : ", " + name;
  };
  for (const std::string& name : option.get_snames()) add("-" + name);
  for (const std::string& name : option.get_lnames()) add("--" + name);
  const bool is_argument = names.empty();
  return {.names = is_argument ? option.get_name() : names,
          .type = option.get_expected_min() == 0 ? "" : option.get_type_name(),
          .description = option.get_description(),
          .is_argument = is_argument};
}

using Lists = std::map<const CLI::Option*, std::vector<std::string>>;

WordTree TreeOf(const CLI::App& app, const Lists& lists) {
  WordTree word{.name = app.get_name(),
                .description = app.get_description(),
                .footer = app.get_footer(),
                .options = OptionNames(app)};
  std::ranges::replace(word.description, '\n', ' ');
  for (const CLI::Option* option : app.get_options()) {
    word.described.push_back(DescribedOf(*option));
    if (const auto list = lists.find(option); list != lists.end())
      word.lists.emplace_back(option->get_name(), list->second);
  }
  for (const CLI::App* child : app.get_subcommands({})) {
    if (!IsHidden(*child)) word.words.push_back(TreeOf(*child, lists));
  }
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
  return InvalidArgument(kUsage, fmt::format("{}; see \"{} --help\"", what, PathOf(Deepest(root))));
}

// The word of that name, or of which it is the plural; null: there is none.
const CLI::App* FindWord(const CLI::App& app, std::string name) {
  for (int turn = 0; turn < 2; ++turn) {
    for (const CLI::App* word : app.get_subcommands({}))
      if (word->get_name() == name) return word;
    if (name.empty() || name.back() != 's') break;
    name.pop_back();
  }
  return nullptr;
}

// The command that was meant where noun and verb changed places, or the noun is a plural: "tallyman
// list nodes", "tallyman nodes list". Empty: it is neither. `words` are those that nothing was
// found for, in their order.
std::string Rearranged(const CLI::App& root, const std::vector<std::string>& words) {
  const CLI::App& app = Deepest(root);
  if (&app != &root) {
    const CLI::App* verb = FindWord(app, words[0]);
    return verb == nullptr || verb->get_name() != words[0] ? "" : PathOf(*verb);
  }
  const CLI::App* noun = FindWord(root, words[0]);
  if (noun != nullptr && words.size() > 1) {
    const CLI::App* verb = FindWord(*noun, words[1]);
    if (verb != nullptr) return PathOf(*verb);
  }
  if (noun != nullptr) return PathOf(*noun);
  if (words.size() < 2) return {};
  noun = FindWord(root, words[1]);
  const CLI::App* verb = noun == nullptr ? nullptr : FindWord(*noun, words[0]);
  return verb == nullptr ? "" : PathOf(*verb);
}

// A noun that has the verb; null: none has.
const CLI::App* NounWith(const CLI::App& root, const std::string& verb) {
  for (const CLI::App* noun : root.get_subcommands({})) {
    const CLI::App* found = FindWord(*noun, verb);
    if (found != nullptr && found->get_name() == verb) return noun;
  }
  return nullptr;
}

// What is wrong with words that nothing was found for.
Error UnknownWord(const CLI::App& root, const std::vector<std::string>& words) {
  const CLI::App& app = Deepest(root);
  const std::string& word = words[0];
  const bool is_option = word.size() > 1 && word[0] == '-';
  std::vector<std::string> known = is_option ? OptionNames(app) : WordNames(app);
  if (is_option) {
    const std::vector<std::string> everywhere = OptionNames(root);
    known.insert(known.end(), everywhere.begin(), everywhere.end());
  }
  const std::string name = is_option ? word.substr(0, word.find('=')) : word;
  const bool takes_words = !WordNames(app).empty();
  std::string nearest;
  if (!is_option && takes_words) nearest = Rearranged(root, words);
  if (nearest.empty()) nearest = Nearest(name, known);
  std::string what =
      is_option ? fmt::format("\"{}\" has no option {}", PathOf(app), Quote(name))
      : takes_words && &app == &root ? fmt::format("there is no command {}", Quote(name))
      : takes_words ? fmt::format("\"{}\" has no command {}", PathOf(app), Quote(name))
                    : fmt::format("\"{}\" does not take {}", PathOf(app), Quote(name));
  const CLI::App* noun = !is_option && &app == &root ? NounWith(root, name) : nullptr;
  if (noun != nullptr && nearest.find(' ') == std::string::npos) {
    return Usage(root, fmt::format("{}; a noun comes before it, as in \"{} {}\"", what,
                                   PathOf(*noun), name));
  }
  if (!nearest.empty()) what += fmt::format("; did you mean \"{}\"?", nearest);
  return nearest.empty() ? Usage(root, what)
                         : InvalidArgument(kUsage, what).With("nearest", nearest);
}

// The arguments that no command took; "--" itself is none.
std::vector<std::string> LeftOver(const CLI::App& root) {
  std::vector<std::string> words = root.remaining(true);
  std::erase(words, "--");
  return words;
}

Error Missing(const CLI::App& root, const CLI::RequiredError& e) {
  const std::vector<std::string> left = LeftOver(root);
  if (!left.empty()) return UnknownWord(root, left);
  if (!WordNames(Deepest(root)).empty()) return InvalidArgument(kNoCommand, root.help());
  return Usage(root, e.what());
}

}  // namespace

struct Word::State {
  CLI::App root;
  std::string version;
  std::map<const CLI::App*, std::vector<Bound>> bound;
  Lists lists;
  Action chosen;
};

Option Option::Required(bool required) {
  option_->required(required);
  return *this;
}

Option Option::Excludes(Option other) {
  option_->excludes(other.option_);
  return *this;
}

CLI::App* Word::Add(const std::string& name, const std::string& description,
                    const std::string& footer) {
  CLI::App* word = app_->add_subcommand(name, description);
  word->footer(footer);
  word->fallthrough();
  return word;
}

Word Word::Noun(const std::string& name, const std::string& description,
                const std::string& examples) {
  CLI::App* noun = Add(name, description, "Examples:\n" + examples);
  noun->require_subcommand(1);
  return {noun, state_};
}

Word Word::Verb(const std::string& name, const std::string& description,
                const std::string& examples, Action action) {
  CLI::App* verb =
      Add(name, description,
          "Examples:\n" + examples +
              "\nThe options of \"tallyman --help\", such as --db, -o and -q, work here too.");
  verb->callback([verb, state = state_, action = std::move(action)] {
    // A word after it stands for another command, which was chosen by then.
    if (!verb->get_subcommands().empty()) return;
    state->chosen = [verb, state, action](Context& context) -> ExitStatus {
      if (context.environment().out_is_closed) {
        return Fail(FailedPrecondition("OUTPUT_CLOSED",
                                       "standard output is closed, so nothing was done: open it, "
                                       "or send it to /dev/null"));
      }
      RETURN_IF_ERROR(ReadValues(state->bound[verb]));
      return action(context);
    };
  });
  return {verb, state_};
}

void Word::Passthrough(const std::string& name, const std::string& description,
                       std::function<int(const std::vector<std::string>& rest)> run) {
  CLI::App* word = app_->add_subcommand(name, description);
  word->prefix_command();
  word->set_help_flag();
  word->callback([word, state = state_, run = std::move(run)] {
    state->chosen = [run, rest = word->remaining()](Context&) -> ExitStatus { return run(rest); };
  });
}

Option Word::Bind(CLI::Option* option, Reader reader) {
  state_->bound[app_].push_back({option, std::move(reader)});
  return Option(option);
}

Option Word::Value(const std::string& names, const std::string& type, const Reader& reader,
                   const std::string& description, bool repeats) {
  CLI::Option* option = app_->add_option(names, CLI::callback_t(), description)->type_name(type);
  if (repeats) option->expected(CLI::detail::expected_max_vector_size)->allow_extra_args(false);
  return Bind(option, reader);
}

Option Word::Text(const std::string& names, const std::string& type, std::string* target,
                  const std::string& description) {
  const Reader reader = [target](const auto&, const auto& value) -> Status {
    *target = value;
    return {};
  };
  return Value(names, type, reader, description);
}

Option Word::List(const std::string& name, const std::string& type, std::vector<std::string> words,
                  std::string* target, const std::string& description) {
  const Option option = Text(name, type, target, description);
  state_->lists[option.option_] = std::move(words);
  return option;
}

Option Word::Texts(const std::string& names, const std::string& type,
                   google::protobuf::RepeatedPtrField<std::string>* target,
                   const std::string& description) {
  const Reader reader = [target](const auto&, const auto& value) -> Status {
    *target->Add() = value;
    return {};
  };
  return Value(names, type, reader, description, true);
}

Option Word::Flag(const std::string& names, const std::function<void(bool)>& set,
                  const std::string& description) {
  auto on = std::make_shared<bool>(false);
  return Bind(app_->add_flag(names, *on, description),
              [on, set](const auto&, const auto&) -> Status {
                set(*on);
                return {};
              });
}

Option Word::Flag(const std::string& names, bool* target, const std::string& description) {
  return Flag(names, [target](bool on) { *target = on; }, description);
}

Option Word::Number(const std::string& names, int64_t* target, const std::string& description) {
  const Reader reader = [target](const auto& name, const auto& value) -> Status {
    ASSIGN_OR_RETURN(*target, ParsePositive(name, value));
    return {};
  };
  return Value(names, "N", reader, description);
}

Option Word::Argument(const std::string& name, std::string* target,
                      const std::string& description) {
  return Text(name, "", target, description).Required();
}

Option Word::Arguments(const std::string& name,
                       google::protobuf::RepeatedPtrField<std::string>* target,
                       const std::string& description) {
  CLI::Option* option = app_->add_option(name, CLI::callback_t(), description)->type_name("");
  option->expected(CLI::detail::expected_max_vector_size);
  return Bind(option, [target](const auto&, const auto& value) -> Status {
    *target->Add() = value;
    return {};
  });
}

void Word::Hide() { app_->group(""); }

WordTree Word::Tree() const { return TreeOf(*app_, state_->lists); }

CommandLine::CommandLine(const std::string& name, const std::string& description,
                         const std::string& footer, const std::string& version)
    : state_(new Word::State{.root = CLI::App(description, name), .version = version}),
      root_(&state_->root, state_.get()) {
  CLI::App& root = state_->root;
  // Before the words are added: they take it over.
  root.formatter(std::make_shared<HelpFormatter>());
  root.get_formatter()->column_width(34);
  root.require_subcommand(1);
  root.footer(footer);
  root.set_version_flag("--version", version, "Print the version");
}

CommandLine::~CommandLine() = default;

Result<CommandLine::Meaning> CommandLine::Parse(const std::vector<std::string>& arguments) {
  CLI::App& root = state_->root;
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    root.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    return Meaning{.text = root.help()};
  } catch (const CLI::CallForVersion&) {
    return Meaning{.text = state_->version + "\n"};
  } catch (const CLI::ExtrasError&) {
    const std::vector<std::string> left = LeftOver(root);
    if (left.empty()) return Fail(Usage(root, "\"--\" stands where nothing follows"));
    return Fail(UnknownWord(root, left));
  } catch (const CLI::RequiredError& e) {
    return Fail(Missing(root, e));
  } catch (const CLI::ParseError& e) {
    return Fail(Usage(root, e.what()));
  }
  RETURN_IF_ERROR(ReadValues(state_->bound[&root]));
  return Meaning{.action = state_->chosen};
}

}  // namespace tallyman::cli
