// The word that prints scripts with which a shell completes the words of the command line.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.h"
#include "cli/nouns.h"

namespace tallyman::cli {
namespace {

// What may follow `word`, verbs and options, with the options that every command takes.
std::string Follow(const WordTree& word, const WordTree& root) {
  std::vector<std::string> follow;
  for (const WordTree& child : word.words) follow.push_back(child.name);
  for (const auto* options : {&word.options, &root.options}) {
    for (const std::string& option : *options) {
      if (std::ranges::find(follow, option) == follow.end()) follow.push_back(option);
    }
  }
  return fmt::format("{}", fmt::join(follow, " "));
}

// Lines "PATH) WORDS ;;" of a shell's case statement; the path of the root is "".
void AddCases(const WordTree& word, const std::string& path, const WordTree& root,
              std::string_view assign, std::string& text) {
  // What follows a noun that is a command by itself is not a verb.
  const bool is_leaf = !path.empty() && path.find(' ') == std::string::npos && word.words.empty();
  text += fmt::format("    \"{}\"{}) {}\"{}\" ;;\n", path, is_leaf ? "*" : "", assign,
                      Follow(word, root));
  for (const WordTree& child : word.words) {
    AddCases(child, path.empty() ? child.name : path + " " + child.name, root, assign, text);
  }
}

// Lines "PATH OPTION) words=LIST ;;" for options that take lists.
void AddLists(const WordTree& word, const std::string& path, std::string& text) {
  for (const auto& [option, list] : word.lists) {
    text += fmt::format("    \"{}\"*\" {}\") list=\"{}\" ;;\n", path, option, fmt::join(list, " "));
  }
  for (const WordTree& child : word.words)
    AddLists(child, path.empty() ? child.name : path + " " + child.name, text);
}

std::string Nouns(const WordTree& root) {
  std::string text;
  for (const WordTree& noun : root.words) {
    if (!text.empty()) text += '|';
    text += noun.name;
  }
  return text;
}

// The noun is the first word that is one; the verb is the word after it.
std::string BashScript(const WordTree& root) {
  std::string text =
      "# tallyman: completion for bash. Use it with: source <(tallyman completion bash)\n"
      "_tallyman_files() {\n"
      "  compopt -o filenames 2>/dev/null\n"
      "  mapfile -t COMPREPLY < <(compgen -f -- \"$1\")\n"
      "}\n"
      "_tallyman() {\n"
      "  local current=\"${COMP_WORDS[COMP_CWORD]}\" previous=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
      "  local noun=\"\" verb=\"\" word words=\"\" list=\"\" before=\"\" i\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    word=\"${COMP_WORDS[i]}\"\n"
      "    if [[ -n $noun ]]; then\n"
      "      [[ $word == -* ]] || { verb=\"$word\"; break; }\n"
      "    else\n";
  text += fmt::format("      case \"$word\" in {}) noun=\"$word\" ;; esac\n", Nouns(root));
  text +=
      "    fi\n"
      "  done\n"
      "  case \"$previous\" in\n"
      "    -o|--output) COMPREPLY=($(compgen -W \"table wide json yaml\" -- \"$current\")); return "
      ";;\n"
      "    -f|--file|--token-file|--ca) _tallyman_files \"$current\"; return ;;\n"
      "  esac\n"
      "  case \"$noun $verb\" in *' ') noun=\"$noun\"; ;; *) noun=\"$noun $verb\" ;; esac\n"
      "  case \"$noun $previous\" in\n";
  AddLists(root, "", text);
  // Of a list, the word after its last comma is completed.
  text +=
      "  esac\n"
      "  if [[ -n $list ]]; then\n"
      "    [[ $current == *,* ]] && before=\"${current%,*},\"\n"
      "    COMPREPLY=($(compgen -P \"$before\" -W \"$list\" -- \"${current##*,}\"))\n"
      "    compopt -o nospace 2>/dev/null\n"
      "    return\n"
      "  fi\n"
      "  case \"$noun\" in\n";
  AddCases(root, "", root, "words=", text);
  text += fmt::format("    *) words=\"{}\" ;;\n", Follow({}, root));
  text +=
      "  esac\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "  [[ ${#COMPREPLY[@]} -gt 0 ]] || _tallyman_files \"$current\"\n"
      "}\n"
      "complete -F _tallyman tallyman\n";
  return text;
}

std::string ZshScript(const WordTree& root) {
  return "#compdef tallyman\n"
         "# tallyman: completion for zsh. Use it with: source <(tallyman completion zsh)\n"
         "autoload -Uz bashcompinit && bashcompinit\n" +
         BashScript(root);
}

std::string FishQuote(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "'";
}

void AddFishOptions(std::string_view condition, const WordTree& word, std::string& text) {
  for (const std::string& option : word.options) {
    const bool is_long = option.starts_with("--");
    text += fmt::format("complete -c tallyman {} {} {}", condition, is_long ? "-l" : "-s",
                        option.substr(is_long ? 2 : 1));
    for (const auto& [name, list] : word.lists) {
      if (name != option) continue;
      text += fmt::format(" -x -a \"(__fish_complete_list , 'string split , {}')\"",
                          fmt::join(list, ","));
    }
    text += '\n';
  }
}

std::string FishScript(const WordTree& root) {
  std::string text =
      "# tallyman: completion for fish. Use it with: tallyman completion fish | source\n";
  AddFishOptions("", root, text);
  for (const WordTree& noun : root.words) {
    text += fmt::format("complete -c tallyman -n __fish_use_subcommand -a {} -d {}\n", noun.name,
                        FishQuote(noun.description));
    const std::string in_noun = fmt::format("-n '__fish_seen_subcommand_from {}'", noun.name);
    AddFishOptions(in_noun, noun, text);
    for (const WordTree& verb : noun.words) {
      text += fmt::format("complete -c tallyman {} -a {} -d {}\n", in_noun, verb.name,
                          FishQuote(verb.description));
      const std::string in_verb =
          fmt::format("-n '__fish_seen_subcommand_from {}; and __fish_seen_subcommand_from {}'",
                      noun.name, verb.name);
      AddFishOptions(in_verb, verb, text);
    }
  }
  return text;
}

Result<std::string> CompletionScript(std::string_view shell, const WordTree& root) {
  if (shell == "bash") return BashScript(root);
  if (shell == "zsh") return ZshScript(root);
  if (shell == "fish") return FishScript(root);
  return Fail(InvalidArgument(
      "UNKNOWN_SHELL",
      fmt::format("there is no completion for {}: write bash, zsh or fish", Quote(shell))));
}

}  // namespace

void DefineCompletion(Word root) {
  auto shell = std::make_shared<std::string>();
  const auto print = [root, shell](Context& context) -> ExitStatus {
    ASSIGN_OR_RETURN(const std::string script, CompletionScript(*shell, root.Tree()));
    context.environment().out << script;
    return kExitDone;
  };
  Word verb = root.Verb("completion", "Print a script that makes a shell complete these words",
                        "  source <(tallyman completion bash)\n"
                        "  tallyman completion fish | source",
                        print);
  verb.Argument("SHELL", shell.get(), "bash, zsh or fish");
}

}  // namespace tallyman::cli
