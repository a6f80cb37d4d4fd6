// The hidden word that prints manual pages, made of the same definitions as the help.
#include <fmt/core.h>

#include <algorithm>
#include <cctype>

#include "base/text.h"
#include "cli/nouns.h"

namespace tallyman::cli {
namespace {

// Text as roff shows it.
std::string Roff(std::string_view text) {
  std::string roff;
  bool at_start = true;
  for (const char c : text) {
    if (at_start && (c == '.' || c == '\'')) roff += "\\&";
    at_start = c == '\n';
    if (c == '\\') {
      roff += "\\e";
    } else if (c == '-') {
      roff += "\\-";
    } else {
      roff += c;
    }
  }
  return roff;
}

std::string Upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

std::string Head(const std::string& page, const std::string& description,
                 const std::string& version) {
  std::string text(description);
  if (text.ends_with('.')) text.pop_back();
  return fmt::format(
      ".TH {} 1 \"\" \"tallyman {}\" \"Tallyman\"\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n",
      Upper(page), Roff(version), Roff(page), Roff(text));
}

void AddOptions(const std::vector<WordTree::Described>& options, std::string& text) {
  for (const WordTree::Described& option : options) {
    const std::string type =
        option.type.empty() ? "" : fmt::format(" \\fI{}\\fR", Roff(option.type));
    text +=
        fmt::format(".TP\n\\fB{}\\fR{}\n{}\n", Roff(option.names), type, Roff(option.description));
  }
}

void AddLines(const std::string& lines, std::string& text) {
  text += fmt::format(".PP\n.nf\n{}\n.fi\n", Roff(lines));
}

std::string Synopsis(const std::string& path, const WordTree& word) {
  std::string line = fmt::format("\\fB{}\\fR", Roff(path));
  if (!word.words.empty()) return line + " \\fICOMMAND\\fR [\\fIOPTION\\fR ...]";
  line += " [\\fIOPTION\\fR ...]";
  for (const WordTree::Described& argument : word.described) {
    if (argument.is_argument) line += fmt::format(" \\fI{}\\fR", Roff(argument.names));
  }
  return line;
}

void AddVerb(const std::string& path, const WordTree& verb, std::string& text) {
  text += fmt::format(".SS {}\n{}\n.PP\n{}\n", Roff(verb.name), Synopsis(path, verb),
                      Roff(verb.description));
  AddOptions(verb.described, text);
  AddLines(verb.footer, text);
  for (const WordTree& below : verb.words) AddVerb(path + " " + below.name, below, text);
}

std::string NounPage(const WordTree& noun, const std::string& version) {
  const std::string path = "tallyman " + noun.name;
  std::string text = Head("tallyman-" + noun.name, noun.description, version);
  text += Synopsis(path, noun) + "\n.SH DESCRIPTION\n" + Roff(noun.description) + "\n";
  if (!noun.footer.empty()) AddLines(noun.footer, text);
  if (!noun.described.empty()) {
    text += ".SH OPTIONS\n";
    AddOptions(noun.described, text);
  }
  if (!noun.words.empty()) text += ".SH COMMANDS\n";
  for (const WordTree& verb : noun.words) AddVerb(path + " " + verb.name, verb, text);
  return text + ".SH SEE ALSO\n\\fBtallyman\\fR(1)\n";
}

std::string MainPage(const WordTree& root, const std::string& version) {
  std::string text = Head("tallyman", root.description, version);
  text += Synopsis("tallyman", root) + "\n.SH DESCRIPTION\n" + Roff(root.description) + "\n";
  text += ".SH COMMANDS\n";
  for (const WordTree& noun : root.words) {
    text += fmt::format(".TP\n\\fB{}\\fR\n{}\n", Roff(noun.name), Roff(noun.description));
  }
  text += ".SH OPTIONS\nEvery command takes these.\n";
  AddOptions(root.described, text);
  text += ".SH EXAMPLES AND EXIT STATUS\n";
  AddLines(root.footer, text);
  text += ".SH SEE ALSO\n";
  for (const WordTree& noun : root.words) {
    text += fmt::format("\\fBtallyman\\-{}\\fR(1){}\n", Roff(noun.name),
                        &noun == &root.words.back() ? "" : ",");
  }
  return text;
}

}  // namespace

void DefineManual(Word root, const std::string& version) {
  auto noun = std::make_shared<std::string>();
  const auto print = [root, noun, version](Context& context) -> ExitStatus {
    const WordTree tree = root.Tree();
    if (noun->empty()) {
      context.environment().out << MainPage(tree, version);
      return kExitDone;
    }
    const auto found = std::ranges::find(tree.words, *noun, &WordTree::name);
    if (found == tree.words.end()) {
      return Fail(
          InvalidArgument("UNKNOWN_WORD", fmt::format("there is no command {}", Quote(*noun))));
    }
    context.environment().out << NounPage(*found, version);
    return kExitDone;
  };
  Word verb = root.Verb("manual", "Print a manual page, in roff",
                        "  tallyman manual node | man -l -", print);
  verb.Argument("NOUN", noun.get(), "Whose page; without it, that of tallyman").Required(false);
  verb.Hide();
}

}  // namespace tallyman::cli
