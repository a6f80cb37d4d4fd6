#include "model/token.h"

#include <algorithm>

#include "base/bytes.h"

namespace tallyman {
namespace {

constexpr std::string_view kPrefix = "tallyman_";
constexpr size_t kIdDigits = 32;
constexpr size_t kSecretDigits = 2 * kTokenSecretBytes;

bool IsLowerHex(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

std::string FormatTokenText(const TokenText& token) {
  std::string id = token.id.ToString();
  std::erase(id, '-');
  return std::string(kPrefix) + id + "_" + token.secret;
}

std::optional<TokenText> ParseTokenText(std::string_view text) {
  constexpr size_t kLength = kPrefix.size() + kIdDigits + 1 + kSecretDigits;
  if (text.size() != kLength || !text.starts_with(kPrefix)) return std::nullopt;
  std::string id(text.substr(kPrefix.size(), kIdDigits));
  std::string_view secret = text.substr(kLength - kSecretDigits);
  if (text[kPrefix.size() + kIdDigits] != '_' || !IsLowerHex(id) || !IsLowerHex(secret))
    return std::nullopt;
  for (size_t dash : {8, 13, 18, 23}) id.insert(dash, 1, '-');
  auto parsed = TokenId::Parse(id);
  if (!parsed) return std::nullopt;
  return TokenText{.id = *parsed, .secret = std::string(secret)};
}

}  // namespace tallyman
