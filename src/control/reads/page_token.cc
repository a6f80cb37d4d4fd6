#include "control/reads/page_token.h"

#include <fmt/core.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/digest.h"
#include "base/text.h"

namespace tallyman::control {
namespace {

// 64 bits are plenty: this finds mistakes, not attackers.
std::string DigestOf(std::string_view scope) { return Sha256Hex(scope).substr(0, 16); }

// What stands in a token behind the digest: i or t, the length of the value, the value, the key.
std::optional<store::ListCursor> CursorOf(std::string_view body) {
  size_t colon = body.find(':');
  if (body.empty() || colon == std::string_view::npos) return std::nullopt;
  auto length = ParseInt64(body.substr(1, colon - 1));
  std::string_view rest = body.substr(colon + 1);
  if (!length || *length < 0 || static_cast<size_t>(*length) > rest.size()) return std::nullopt;
  std::string_view value = rest.substr(0, static_cast<size_t>(*length));
  store::ListCursor cursor{.value = std::string(value),
                           .key = std::string(rest.substr(value.size()))};
  if (body[0] == 't') return cursor;
  auto number = ParseInt64(value);
  if (body[0] != 'i' || !number) return std::nullopt;
  cursor.value = *number;
  return cursor;
}

}  // namespace

std::unexpected<Error> RefuseListField(std::string reason, std::string_view field,
                                       std::string_view value, std::string_view why,
                                       const std::string& allowed) {
  Error error =
      InvalidArgument(std::move(reason), fmt::format("{} is {}: {}", field, Quote(value), why))
          .With("field", std::string(field))
          .With("value", Quote(value));
  if (!allowed.empty()) error.facts.emplace_back("allowed", allowed);
  return Fail(std::move(error));
}

std::string PageToken(std::string_view scope, const store::ListCursor& cursor) {
  const auto* number = std::get_if<int64_t>(&cursor.value);
  std::string value =
      number != nullptr ? std::to_string(*number) : std::get<std::string>(cursor.value);
  return ToHex(fmt::format("{}{}{}:{}{}", DigestOf(scope), number != nullptr ? 'i' : 't',
                           value.size(), value, cursor.key));
}

Result<store::ListCursor> ParsePageToken(std::string_view scope, std::string_view token) {
  auto refuse = [&](std::string_view why) {
    return RefuseListField("INVALID_PAGE_TOKEN", "page_token", token, why);
  };
  auto bytes = FromHex(token);
  if (!bytes || bytes->size() < 16)
    return refuse("it is not the next_page_token of an earlier answer");
  if (!bytes->starts_with(DigestOf(scope))) {
    return refuse(
        "it belongs to another list, filter or order: send those of the previous page, or start "
        "again");
  }
  auto cursor = CursorOf(std::string_view(*bytes).substr(16));
  if (!cursor) return refuse("it is not the next_page_token of an earlier answer");
  return *std::move(cursor);
}

}  // namespace tallyman::control
