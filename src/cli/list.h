// Lists: all pages of an answer, the options that every list has, and lists as commands.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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

// Those that are wanted, in that order; all where nothing is. INVALID_ARGUMENT INVALID_COLUMNS
// lists those that there are.
Result<std::vector<size_t>> ChooseColumns(const Context& context,
                                          const std::vector<Column>& columns,
                                          const std::string& wanted);
// "host, state, cpu_used".
std::string KeysOf(const std::vector<Column>& columns);

// By the text of their first cells, in the order in which people count: eth-2 before eth-10.
void SortNaturally(std::vector<std::vector<Cell>>& rows);

// All pages as one answer; with a limit the first rows, and the token of the next page.
template <class Response, class Request>
Result<Response> ReadPages(Context& context, Request request, int64_t limit) {
  constexpr int64_t kPageSizeMax = 1000;
  Response all;
  for (int64_t left = limit;;) {
    request.set_page_size(static_cast<int32_t>(std::min(left, kPageSizeMax)));
    ASSIGN_OR_RETURN(Response page, context.Call<Response>(request));
    left -= std::min(left, kPageSizeMax);
    all.clear_next_page_token();
    all.MergeFrom(page);
    if (page.next_page_token().empty() || left == 0) return all;
    request.set_page_token(page.next_page_token());
  }
}

template <class Response, class Request>
Result<Response> ListAll(Context& context, Request request) {
  return ReadPages<Response>(context, std::move(request), INT64_MAX);
}

template <class Response, class Request>
Result<Response> ListAll(Context& context, const ListRequest<Request>& list) {
  Request request = list.request;
  request.set_filter(JoinFilters(list.filter, request.filter()));
  return ReadPages<Response>(context, std::move(request), list.limit);
}

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
  // What is printed below the table; may be empty.
  std::function<void(Context&, const Response&)> after = {};

  // Defines it; gives its verb and its request, for more options.
  std::pair<Word, ListRequest<Request>&> Define(Word noun) const {
    auto list = std::make_shared<ListRequest<Request>>();
    Word verb = noun.Verb(name, description, examples, [command = *this, list](Context& context) {
      return command.Run(context, *list);
    });
    const std::string filtered = more_fields.empty() ? fields : fields + ", " + more_fields;
    AddListOptions(verb, *list, filters, filtered, fields);
    verb.Text("--columns", "A,B", &list->columns,
              "Only these columns, in this order:\n" + Wrapped(KeysOf(columns)));
    return {verb, *list};
  }

  ExitStatus Run(Context& context, const ListRequest<Request>& list) const {
    ASSIGN_OR_RETURN(const std::vector<size_t> shown,
                     ChooseColumns(context, columns, list.columns));
    ASSIGN_OR_RETURN(const Response response, ListAll<Response>(context, list));
    return context.Answer(response, [&] {
      std::vector<std::vector<Cell>> rows;
      for (const Item& each : (response.*items)()) rows.push_back(row(context, each));
      // Of a part, the server's order says which part it is.
      if (IsByName(list.request.order_by()) && response.next_page_token().empty())
        SortNaturally(rows);
      if (context.globals().quiet) {
        for (const auto& cells : rows) context.Line(Printable(cells[quiet_column].text));
        return;
      }
      std::vector<Column> titles;
      for (const size_t column : shown) {
        titles.push_back(columns[column]);
        // What was asked for is shown.
        if (!list.columns.empty()) titles.back().is_wide = false;
      }
      Table table(std::move(titles));
      for (auto& cells : rows) {
        cells.resize(columns.size());
        std::vector<Cell> kept;
        for (const size_t column : shown) kept.push_back(cells[column]);
        table.AddRow(std::move(kept));
      }
      const bool is_filtered = !list.filter.empty() || !list.request.filter().empty();
      PrintList(context, table, is_filtered ? "No " + item + " matches." : when_empty);
      if (after) after(context, response);
    });
  }

 private:
  bool IsByName(const std::string& order_by) const {
    return by_name && (order_by.empty() || order_by == fields.substr(0, fields.find(',')));
  }
};

}  // namespace tallyman::cli
