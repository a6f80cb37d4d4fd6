#include "control/reads/list_query.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/checked.h"
#include "base/enum_text.h"
#include "base/text.h"
#include "base/time.h"
#include "control/reads/page_token.h"

namespace tallyman::control {
namespace {

constexpr size_t kConditionsMax = 32;
constexpr int64_t kPageSizeDefault = 100;
constexpr int64_t kPageSizeMax = 1000;

template <class Words>
std::string Join(const Words& words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

std::string NamesOf(std::span<const store::ListField> fields) {
  std::vector<std::string_view> names;
  for (const store::ListField& field : fields) names.push_back(field.name);
  return Join(names);
}

const store::ListField* Find(std::span<const store::ListField> fields, std::string_view name) {
  auto found = std::ranges::find(fields, name, &store::ListField::name);
  return found == fields.end() ? nullptr : &*found;
}

// What a filter may name: the store's fields, and for nodes the image by reference or id.
std::vector<store::ListField> FilterFieldsOf(store::Listing listing) {
  std::span<const store::ListField> stored = store::FieldsOf(listing);
  std::vector<store::ListField> fields(stored.begin(), stored.end());
  if (listing == store::Listing::kNodes) fields.push_back({kImageField, store::FieldType::kText});
  return fields;
}

std::string_view WordOf(store::Listing listing) {
  static constexpr std::array<std::string_view, 14> kWords = {"orgs",
                                                              "regions",
                                                              "hosts",
                                                              "protocols",
                                                              "versions",
                                                              "images",
                                                              "nodes",
                                                              "commands",
                                                              "events",
                                                              "tokens",
                                                              "requests",
                                                              "rollouts",
                                                              "nodes of rollouts",
                                                              "upgrade policies"};
  return kWords[static_cast<size_t>(listing)];
}

// A piece of a filter as it was typed.
struct Term {
  std::string_view field;
  store::Comparison comparison = store::Comparison::kEqual;
  std::string value;
};

struct Operator {
  std::string_view text;
  store::Comparison comparison;
};
// Longer ones first, so that "<=" is not read as "<".
constexpr Operator kOperators[] = {{"!=", store::Comparison::kNotEqual},
                                   {"<=", store::Comparison::kLessOrEqual},
                                   {">=", store::Comparison::kGreaterOrEqual},
                                   {"=", store::Comparison::kEqual},
                                   {"<", store::Comparison::kLess},
                                   {">", store::Comparison::kGreater}};

// Takes a value in quotes from the front of `rest`; false: the quote is never closed.
bool TakeQuoted(std::string_view& rest, std::string& value) {
  for (size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] == '"') {
      rest.remove_prefix(i + 1);
      return true;
    }
    if (rest[i] == '\\' && i + 1 < rest.size() && (rest[i + 1] == '"' || rest[i + 1] == '\\')) ++i;
    value += rest[i];
  }
  return false;
}

// Takes the next term from the front of `rest`, which does not begin with a space.
Result<Term> TakeTerm(std::string_view filter, std::string_view& rest) {
  auto refuse = [&](std::string_view why) {
    return RefuseListField("INVALID_FILTER", "filter", filter, why);
  };
  Term term;
  size_t end = rest.find_first_of("!=<> \"");
  if (end == 0) return refuse("a condition begins with the name of a field, such as name=VALUE");
  term.field = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end);
  const auto* op =
      std::ranges::find_if(kOperators, [&](const Operator& o) { return rest.starts_with(o.text); });
  if (op == std::end(kOperators)) {
    return refuse(fmt::format("{} is not followed by = or != and a value", Quote(term.field)));
  }
  term.comparison = op->comparison;
  rest.remove_prefix(op->text.size());
  if (rest.starts_with('"')) {
    if (!TakeQuoted(rest, term.value)) return refuse("a double quote is not closed");
    if (!rest.empty() && rest[0] != ' ')
      return refuse("a space is missing after a closing double quote");
    return term;
  }
  end = rest.find(' ');
  term.value = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end);
  if (term.value.find('"') != std::string::npos)
    return refuse("there is a double quote inside a value");
  // Other tools mean something by these; here they would be compared, and nothing found.
  if (term.value.starts_with('=') || term.value.find_first_of(",;'*") != std::string::npos) {
    return refuse(fmt::format(
        "conditions are separated by spaces, and values are compared as a whole, without "
        "patterns: if {} is such a value, write it in double quotes",
        Quote(term.value)));
  }
  return term;
}

Result<store::Condition> ConditionOf(std::string_view what,
                                     std::span<const store::ListField> fields,
                                     std::string_view filter, Term term) {
  auto refuse = [&](std::string_view why, const std::string& allowed) {
    return RefuseListField("INVALID_FILTER", "filter", filter, why, allowed);
  };
  const store::ListField* field = Find(fields, term.field);
  if (field == nullptr) {
    std::string names = NamesOf(fields);
    return refuse(fmt::format("{} have no field {}; there is: {}", what, Quote(term.field), names),
                  names);
  }
  store::Condition condition{.field = std::string(field->name), .comparison = term.comparison};
  if (field->type == store::FieldType::kText) {
    if (term.comparison != store::Comparison::kEqual &&
        term.comparison != store::Comparison::kNotEqual) {
      return refuse(fmt::format("{} is a text and only accepts = or !=", field->name), "=, !=");
    }
    condition.value = std::move(term.value);
    return condition;
  }
  if (field->name.ends_with("_at")) {
    if (auto time = ParseTypedTime(term.value)) {
      condition.value = ToMicros(*time);
      return condition;
    }
    if (!ParseInt64(term.value)) {
      return refuse(fmt::format("{} is compared with {}, which is not a time: write 2026-03-01, "
                                "2026-03-01T12:00:00Z, or microseconds since 1970",
                                field->name, Quote(term.value)),
                    "a time");
    }
  }
  auto number = ParseInt64(term.value);
  if (!number) {
    return refuse(fmt::format("{} is compared with {}, which is not a 64-bit whole number",
                              field->name, Quote(term.value)),
                  "an integer");
  }
  condition.value = *number;
  return condition;
}

template <class Enum>
std::optional<std::string> RefusedWord(const std::string& word) {
  if (FromText<Enum>(word)) return std::nullopt;
  return Join(EnumText<Enum>::kWords);
}

// The words that the field takes, when `condition` has another one. The kinds of commands may be
// given without "node_", as the API's own enum has them.
std::optional<std::string> NormalizeWord(store::Listing listing, store::Condition& condition) {
  auto* word = std::get_if<std::string>(&condition.value);
  if (word == nullptr) return std::nullopt;
  if (listing == store::Listing::kNodes && condition.field == "node_state")
    return RefusedWord<NodeState>(*word);
  if (listing == store::Listing::kNodes && condition.field == "next_state")
    return RefusedWord<NextState>(*word);
  if (listing == store::Listing::kHosts && condition.field == "liveness")
    return RefusedWord<Liveness>(*word);
  if (listing == store::Listing::kTokens && condition.field == "role")
    return RefusedWord<Role>(*word);
  if (listing == store::Listing::kCommands && condition.field == "state")
    return RefusedWord<CommandState>(*word);
  if (listing == store::Listing::kCommands && condition.field == "kind") {
    if (!word->starts_with("node_")) *word = "node_" + *word;
    return RefusedWord<CommandKind>(*word);
  }
  return std::nullopt;
}

Status ParseOrder(store::Listing listing, std::string_view order_by, store::ListQuery& query) {
  std::span<const store::ListField> fields = store::FieldsOf(listing);
  query.order_by = fields.front().name;
  if (order_by.empty()) return {};
  auto refuse = [&](std::string_view why) {
    return RefuseListField("INVALID_ORDER_BY", "order_by", order_by, why, NamesOf(fields));
  };
  size_t space = order_by.find(' ');
  std::string_view name = order_by.substr(0, space);
  // Events are read in the order of their cursor, which is what people call their time.
  if (listing == store::Listing::kEvents && name == "time") name = "cursor";
  const store::ListField* field = Find(fields, name);
  if (field == nullptr) {
    return refuse(fmt::format("{} have no field {}; there is: {}", WordOf(listing), Quote(name),
                              NamesOf(fields)));
  }
  query.order_by = field->name;
  if (space == std::string_view::npos) return {};
  std::string_view direction = order_by.substr(space + 1);
  if (direction != "desc" && direction != "asc")
    return refuse("write a field, or a field and desc");
  query.descending = direction == "desc";
  return {};
}

std::string ScopeOf(store::Listing listing, const ListRequest& request) {
  return fmt::format("{}\n{}\n{}\n{}", WordOf(listing), request.filter, request.order_by,
                     request.with_deleted);
}

}  // namespace

Result<int64_t> PageSize(int64_t page_size) {
  if (page_size < 0) {
    return Fail(InvalidArgument("INVALID_PAGE_SIZE",
                                fmt::format("page_size is {}: use 1 to {}, or 0 for {}", page_size,
                                            kPageSizeMax, kPageSizeDefault))
                    .With("field", "page_size")
                    .With("value", std::to_string(page_size)));
  }
  return page_size == 0 ? kPageSizeDefault : std::min(page_size, kPageSizeMax);
}

Result<std::vector<store::Condition>> ParseFilter(std::string_view what,
                                                  std::span<const store::ListField> fields,
                                                  std::string_view filter) {
  std::vector<store::Condition> conditions;
  std::string_view rest = filter;
  while (true) {
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    if (rest.empty()) return conditions;
    if (conditions.size() == kConditionsMax) {
      return RefuseListField("INVALID_FILTER", "filter", filter,
                             fmt::format("it has more than {} conditions", kConditionsMax));
    }
    ASSIGN_OR_RETURN(Term term, TakeTerm(filter, rest));
    ASSIGN_OR_RETURN(store::Condition condition,
                     ConditionOf(what, fields, filter, std::move(term)));
    conditions.push_back(std::move(condition));
  }
}

Result<store::ListQuery> ParseList(store::Listing listing, const ListRequest& request) {
  store::ListQuery query;
  ASSIGN_OR_RETURN(query.limit, PageSize(request.page_size));
  ASSIGN_OR_RETURN(query.conditions,
                   ParseFilter(WordOf(listing), FilterFieldsOf(listing), request.filter));
  for (store::Condition& condition : query.conditions) {
    if (auto allowed = NormalizeWord(listing, condition)) {
      return RefuseListField("INVALID_FILTER", "filter", request.filter,
                             fmt::format("{} is one of: {}", condition.field, *allowed), *allowed);
    }
  }
  RETURN_IF_ERROR(ParseOrder(listing, request.order_by, query));
  query.with_deleted = request.with_deleted;
  if (request.page_token.empty()) return query;
  ASSIGN_OR_RETURN(query.after, ParsePageToken(ScopeOf(listing, request), request.page_token));
  bool is_text = std::holds_alternative<std::string>(query.after->value);
  if (is_text !=
      (Find(store::FieldsOf(listing), query.order_by)->type == store::FieldType::kText)) {
    return RefuseListField("INVALID_PAGE_TOKEN", "page_token", request.page_token,
                           "it was not made by this server");
  }
  return query;
}

std::string PageToken(store::Listing listing, const ListRequest& request,
                      const store::ListCursor& cursor) {
  return PageToken(ScopeOf(listing, request), cursor);
}

}  // namespace tallyman::control
