// Lists: all pages of an answer, the options that every list has, and lists as commands.
#pragma once

#include <algorithm>
#include <functional>
#include <future>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/document.h"
#include "cli/views.h"
#include "cli/words.h"

namespace tallyman::cli {

// The request of a list, and the options that are not its fields.
template <class Request>
struct ListRequest {
  Request request;
  std::string filter;  // of the options that stand for one field, joined to that of --filter
  int64_t limit = INT64_MAX;
  std::string columns;  // keys, separated by commas; "": those that are shown by default
};

// Appends "FIELD=VALUE" to a filter; nothing when the value is empty.
void AddFilter(std::string& filter, std::string_view field, std::string_view value);
// Both filters as one.
std::string JoinFilters(const std::string& a, const std::string& b);

// Appends FIELD=VALUE, with what an option gives.
inline Reader FilterBy(std::string field, std::string* filter) {
  return [field = std::move(field), filter](const auto&, const auto& value) -> Status {
    AddFilter(*filter, field, value);
    return {};
  };
}

// An option that stands for FIELD=VALUE.
struct ListFilter {
  std::string name;
  std::string type;
  std::string field;
  std::string description;
};

// A list of words, such as fields, in lines that fit into a help.
std::string Wrapped(const std::string& words);

// Those filters, --filter, --order-by and --limit. `fields` and `orders` are those that the method
// knows.
template <class Request>
void AddListOptions(Word verb, ListRequest<Request>& list, const std::vector<ListFilter>& filters,
                    const std::string& fields, const std::string& orders) {
  for (const ListFilter& filter : filters) {
    verb.Value(filter.name, filter.type, FilterBy(filter.field, &list.filter), filter.description);
  }
  verb.Text("--filter", "FILTER", list.request.mutable_filter(),
            "FIELD=VALUE or FIELD!=VALUE, several separated by spaces;\n"
            "numbers and times (2026-03-01) also with < <= > >=; fields:\n" +
                Wrapped(fields));
  verb.Text("--order-by", "FIELD", list.request.mutable_order_by(),
            "Add \" desc\" for descending order; fields:\n" + Wrapped(orders));
  verb.Number("--limit", &list.limit, "Show only the first N");
}

// The places of those that are wanted, in that order; where nothing is, of all, with -o wide of
// wide ones too. INVALID_ARGUMENT INVALID_COLUMNS lists those that there are.
Result<std::vector<size_t>> ChooseColumns(const Context& context,
                                          const std::vector<Column>& columns,
                                          const std::string& wanted);
// "host, state, cpu_used".
std::string KeysOf(const std::vector<Column>& columns);

// --columns of a list that has these.
template <class Request>
void AddColumns(Word verb, ListRequest<Request>& list, const std::vector<Column>& columns) {
  std::vector<std::string> keys;
  for (const Column& column : columns) keys.push_back(column.Key());
  verb.List("--columns", "A,B", std::move(keys), &list.columns,
            "Only these columns, in this order:\n" + Wrapped(KeysOf(columns)));
}

// By the text of their first cells, in the order in which people count: eth-2 before eth-10.
void SortNaturally(std::vector<std::vector<Cell>>& rows);

// Calls `take` with each page as it comes, at most `limit` rows in all: the token of the last page
// is that of the next rows. The next page is read while `take` has one, so it must call no method.
// Ends early, without an error, when the output takes nothing more.
template <class Response, class Request>
Status EachPage(Context& context, Request request, int64_t limit,
                const std::function<void(Response&)>& take) {
  constexpr int64_t kPageSizeMax = 1000;
  int64_t left = limit;
  const auto read = [&] {
    request.set_page_size(static_cast<int32_t>(std::min(left, kPageSizeMax)));
    return context.Call<Response>(request);
  };
  for (Result<Response> page = read();;) {
    if (!page) return Fail(std::move(page).error());
    left -= std::min(left, kPageSizeMax);
    request.set_page_token(page->next_page_token());
    if (request.page_token().empty() || left == 0 || !context.environment().out) {
      take(*page);
      return {};
    }
    std::future<Result<Response>> next = std::async(std::launch::async, read);
    take(*page);
    page = next.get();
  }
}

template <class Response, class Request>
Status EachPage(Context& context, const ListRequest<Request>& list,
                const std::function<void(Response&)>& take) {
  Request request = list.request;
  request.set_filter(JoinFilters(list.filter, request.filter()));
  return EachPage<Response>(context, std::move(request), list.limit, take);
}

// All pages as one answer, for what has to be in memory as a whole.
template <class Response, class Request>
Result<Response> ReadPages(Context& context, Request request, int64_t limit) {
  Response all;
  RETURN_IF_ERROR(
      EachPage<Response>(context, std::move(request), limit, [&all](const Response& page) {
        all.clear_next_page_token();
        all.MergeFrom(page);
      }));
  return all;
}

template <class Response, class Request>
Result<Response> ListAll(Context& context, Request request) {
  return ReadPages<Response>(context, std::move(request), INT64_MAX);
}

// Prints the answer as a document, page by page. Gives the last page.
template <class Response, class Request>
Result<Response> PrintPages(Context& context, const ListRequest<Request>& list) {
  ListText text = context.MakeListText();
  std::ostream& out = context.environment().out;
  Response last;
  const Status read = EachPage<Response>(context, list, [&](Response& page) {
    out << text.Add(page);
    last.Swap(&page);
  });
  out << (read ? text.End(last) : text.Break());
  RETURN_IF_ERROR(read);
  return last;
}

// A list as a table that needs no more memory however long it is; with a quiet column, under
// --quiet one word a row. Up to kRowsHeld rows are held, and laid out together. A longer list is
// printed as it comes, in the server's order; the columns have the widths that its first rows need.
class ListTable {
 public:
  static constexpr size_t kRowsHeld = 10'000;

  // `shown`: the places of the columns that are; `by_name`: a list that is whole is sorted as
  // people count.
  ListTable(Context& context, const std::vector<Column>& columns, std::vector<size_t> shown,
            bool by_name = false, std::optional<size_t> quiet_column = {});

  // `note` is printed below the table: a title and the text below it.
  void Add(std::vector<Cell> row, std::pair<std::string, std::string> note = {});
  // After the last row. `is_whole`: no other rows were left out.
  void End(bool is_whole, std::string_view when_empty);

 private:
  void Print();

  Context& context_;
  const std::vector<size_t> shown_;
  Table table_;
  const bool by_name_;
  const std::optional<size_t> quiet_column_;
  std::vector<std::vector<Cell>> rows_;
  std::vector<std::pair<std::string, std::string>> notes_;
  bool has_printed_ = false;
};

// A list as a command: its words, the types of its method, and how a row is shown.
template <class Request, class Response, class Item>
struct ListCommand {
  std::string name = "list";
  std::string description;
  std::string examples;
  std::string item;  // what a row is: "node"
  std::vector<ListFilter> filters = {};
  std::string fields;  // to filter and to order by, as the method has them; the first orders
  std::string more_fields = {};  // only to filter by
  bool by_name = false;          // the first is a name, and stands in the first column
  std::vector<Column> columns;
  size_t quiet_column = 0;  // what stands for a row under --quiet
  const google::protobuf::RepeatedPtrField<Item>& (Response::*items)() const;
  std::function<std::vector<Cell>(Context&, const Item&)> row;
  std::string when_empty;
  // Of a row, what is printed below the table: a title and a text; may be empty.
  std::function<std::pair<std::string, std::string>(const Item&)> note = {};

  // Defines it; gives its verb and its request, for more options.
  std::pair<Word, ListRequest<Request>&> Define(Word noun) const {
    auto list = std::make_shared<ListRequest<Request>>();
    Word verb = noun.Verb(name, description, examples, [command = *this, list](Context& context) {
      return command.Run(context, *list);
    });
    const std::string filtered = more_fields.empty() ? fields : fields + ", " + more_fields;
    AddListOptions(verb, *list, filters, filtered, fields);
    AddColumns(verb, *list, columns);
    return {verb, *list};
  }

  ExitStatus Run(Context& context, const ListRequest<Request>& list) const {
    ASSIGN_OR_RETURN(const std::vector<size_t> shown,
                     ChooseColumns(context, columns, list.columns));
    if (!context.is_table()) {
      RETURN_IF_ERROR(PrintPages<Response>(context, list));
      return kExitDone;
    }
    ListTable table(context, columns, shown, IsByName(list.request.order_by()), quiet_column);
    bool is_whole = false;
    RETURN_IF_ERROR(EachPage<Response>(context, list, [&](const Response& page) {
      for (const Item& each : (page.*items)())
        table.Add(row(context, each), note ? note(each) : std::pair<std::string, std::string>());
      // Of a part, the server's order says which part it is.
      is_whole = page.next_page_token().empty();
    }));
    const bool is_filtered = !list.filter.empty() || !list.request.filter().empty();
    table.End(is_whole, is_filtered ? "No " + item + " matches." : when_empty);
    return kExitDone;
  }

 private:
  bool IsByName(const std::string& order_by) const {
    return by_name && (order_by.empty() || order_by == fields.substr(0, fields.find(',')));
  }
};

}  // namespace tallyman::cli
