// The words of the command line: nouns, their verbs, and options that are bound to where their
// values go, mostly to a field of the request. A thin layer over CLI11, which only words.cc knows.
//
// A line is parsed first. The values of its options are read just before the command runs, in the
// order in which the options were defined; an option that was not given leaves its target alone.
// Not thread-safe.
#pragma once

#include <google/protobuf/generated_enum_reflection.h>
#include <google/protobuf/repeated_ptr_field.h>

#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/amounts.h"
#include "cli/context.h"
#include "cli/format.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace tallyman::cli {

// A reason that is compared.
inline constexpr char kNoCommand[] = "NO_COMMAND";

// What a command does.
using Action = std::function<ExitStatus(Context&)>;

// Takes one value of an option; `name` is the option's, for errors.
using Reader = std::function<Status(const std::string& name, const std::string& value)>;

// An option that was defined. A handle; it lives as long as its CommandLine.
class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}

  Option Required(bool required = true);
  // Giving both is refused.
  Option Excludes(Option other);

 private:
  friend class Word;
  CLI::Option* option_;
};

// A word, its options ("--image", "-o") and the words that may follow: for shells that complete
// them, and for manual pages. Hidden words are left out.
struct WordTree {
  struct Described {
    std::string names;  // "-f, --file"; of an argument without a name, what stands for it
    std::string type;   // stands for the value
    std::string description;
    bool is_argument = false;
  };
  std::string name;
  std::string description;
  std::string footer;  // the examples
  std::vector<std::string> options;
  std::vector<Described> described;  // options and arguments
  // Of options that take a list with commas: what may be in it.
  std::vector<std::pair<std::string, std::vector<std::string>>> lists;
  std::vector<WordTree> words;
};

// A noun or a verb that was defined. A handle; it lives as long as its CommandLine.
//
// `names` of an option are such as "--image" or "-f,--file"; `type` stands for its value in the
// help. Targets outlive the CommandLine.
class Word {
 public:
  // A noun. The examples are lines of the help.
  Word Noun(const std::string& name, const std::string& description, const std::string& examples);

  // A verb, or a noun that is a command by itself, and its options, which live as long as the
  // CommandLine: a request, or a struct with one. `run` gets the context and the options.
  template <class Options, class Run>
  std::pair<Word, Options&> Verb(const std::string& name, const std::string& description,
                                 const std::string& examples, Run run) {
    auto options = std::make_shared<Options>();
    Word verb = Verb(name, description, examples,
                     [options, run](Context& context) { return run(context, *options); });
    return {verb, *options};
  }
  Word Verb(const std::string& name, const std::string& description, const std::string& examples,
            Action action);
  // A command that gets all that follows its name as it stands, --help too.
  void Passthrough(const std::string& name, const std::string& description,
                   std::function<int(const std::vector<std::string>& rest)> run);

  // Any option: one value, or with `repeats` one value each time that it is given.
  Option Value(const std::string& names, const std::string& type, const Reader& reader,
               const std::string& description, bool repeats = false);
  Option Text(const std::string& names, const std::string& type, std::string* target,
              const std::string& description);
  // A list of some of these words, separated by commas. The target gets it as it stands.
  Option List(const std::string& name, const std::string& type, std::vector<std::string> words,
              std::string* target, const std::string& description);
  Option Texts(const std::string& names, const std::string& type,
               google::protobuf::RepeatedPtrField<std::string>* target,
               const std::string& description);
  Option Flag(const std::string& names, const std::function<void(bool)>& set,
              const std::string& description);
  Option Flag(const std::string& names, bool* target, const std::string& description);
  template <class Message>
  Option Flag(const std::string& names, Message& message, void (Message::*set)(bool),
              const std::string& description) {
    return Flag(names, [&message, set](bool on) { (message.*set)(on); }, description);
  }
  // A whole number of 1 or more.
  template <class Message, class Int>
  Option Number(const std::string& names, Message& message, void (Message::*set)(Int),
                const std::string& description) {
    const Reader reader = [&message, set](const auto& name, const auto& value) -> Status {
      ASSIGN_OR_RETURN(const int64_t number,
                       ParsePositive(name, value, std::numeric_limits<Int>::max()));
      (message.*set)(static_cast<Int>(number));
      return {};
    };
    return Value(names, "N", reader, description);
  }
  Option Number(const std::string& names, int64_t* target, const std::string& description);
  // One of the words of an enum: "warn" is CAPACITY_POLICY_WARN.
  template <class Message, class Enum>
  Option Choice(const std::string& names, const std::string& type, Message& message,
                void (Message::*set)(Enum), const std::string& description) {
    const Reader reader = [&message, set](const auto& name, const auto& value) -> Status {
      ASSIGN_OR_RETURN(const int number,
                       ParseEnum(name, value, *google::protobuf::GetEnumDescriptor<Enum>()));
      (message.*set)(static_cast<Enum>(number));
      return {};
    };
    return Value(names, type, reader, description);
  }

  // Arguments without a name, in the order of their definitions.
  Option Argument(const std::string& name, std::string* target, const std::string& description);
  Option Arguments(const std::string& name, google::protobuf::RepeatedPtrField<std::string>* target,
                   const std::string& description);

  // Leaves it out of help, completion and manual pages.
  void Hide();

  WordTree Tree() const;

 private:
  friend class CommandLine;
  struct State;

  Word(CLI::App* app, State* state) : app_(app), state_(state) {}
  CLI::App* Add(const std::string& name, const std::string& description, const std::string& footer);
  Option Bind(CLI::Option* option, Reader reader);

  CLI::App* app_;
  State* state_;
};

// The program's name and all its words.
class CommandLine {
 public:
  CommandLine(const std::string& name, const std::string& description, const std::string& footer,
              const std::string& version);
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;
  ~CommandLine();

  Word root() { return root_; }

  // What a line asks for: the action, or, where that is empty, only `text` to print.
  struct Meaning {
    Action action;
    std::string text;
  };
  // Refused words are INVALID_ARGUMENT, reason USAGE (or that of what is wrong), and say where help
  // is; an unknown word names the nearest known one. Without any command the error is the help,
  // reason NO_COMMAND. The options of the root have been read when it returns.
  Result<Meaning> Parse(const std::vector<std::string>& arguments);

 private:
  std::unique_ptr<Word::State> state_;
  Word root_;
};

}  // namespace tallyman::cli
