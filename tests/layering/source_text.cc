#include "tests/layering/source_text.h"

#include <cctype>

namespace tallyman::layering {
namespace {

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  SourceText Run() {
    while (at_ < text_.size()) {
      Step();
    }
    FinishLine();
    return std::move(out_);
  }

 private:
  bool Sees(std::string_view what) const { return text_.substr(at_).starts_with(what); }

  // A quote after a digit separates digits (1'000) and opens no literal.
  bool AfterAlphanumeric() const {
    return at_ > 0 && std::isalnum(static_cast<unsigned char>(text_[at_ - 1])) != 0;
  }

  void Step() {
    if (Sees("//")) {
      at_ = std::min(text_.find('\n', at_), text_.size());
    } else if (Sees("/*")) {
      SkipTo("*/", at_ + 2);
    } else if (Sees("R\"")) {
      RawString();
    } else if (Sees("\"")) {
      out_.literals.push_back(Quoted('"'));
      line_literal_ = out_.literals.back();
      out_.code += "\"\"";
    } else if (Sees("'") && !AfterAlphanumeric()) {
      Quoted('\'');
      out_.code += "''";
    } else {
      Keep(text_[at_++]);
    }
  }

  void Keep(char c) {
    if (c == '\n') {
      FinishLine();
      line_start_ = out_.code.size() + 1;
    }
    out_.code += c;
  }

  void SkipTo(std::string_view end, size_t from) {
    const size_t found = text_.find(end, from);
    const size_t stop = found == std::string_view::npos ? text_.size() : found + end.size();
    while (at_ < stop) {
      if (text_[at_] == '\n') {
        Keep('\n');
      }
      ++at_;
    }
  }

  void RawString() {
    const size_t open = text_.find('(', at_);
    if (open == std::string_view::npos) {
      at_ = text_.size();
      return;
    }
    const std::string end = ")" + std::string(text_.substr(at_ + 2, open - at_ - 2)) + "\"";
    const size_t close = std::min(text_.find(end, open), text_.size());
    out_.literals.emplace_back(text_.substr(open + 1, close - open - 1));
    out_.code += "\"\"";
    SkipTo(end, open);
  }

  std::string Quoted(char quote) {
    std::string inside;
    for (++at_; at_ < text_.size() && text_[at_] != quote && text_[at_] != '\n'; ++at_) {
      inside += text_[at_];
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
        inside += text_[++at_];
      }
    }
    if (at_ < text_.size() && text_[at_] == quote) {
      ++at_;
    }
    return inside;
  }

  void FinishLine() {
    std::string line;
    for (const char c : std::string_view(out_.code).substr(line_start_)) {
      if (std::isspace(static_cast<unsigned char>(c)) == 0) {
        line += c;
      }
    }
    if (line == "#include\"\"") {
      out_.own_includes.push_back(line_literal_);
    } else if (line.starts_with("#include<") && line.ends_with('>')) {
      out_.library_includes.push_back(line.substr(9, line.size() - 10));
    }
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t line_start_ = 0;
  std::string line_literal_;
  SourceText out_;
};

}  // namespace

SourceText ReadSource(std::string_view text) { return Scanner(text).Run(); }

}  // namespace tallyman::layering
