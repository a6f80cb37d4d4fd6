#include "control/reads/list_query.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace tallyman::control {
namespace {

using namespace tallyman::store;

std::vector<Condition> Parse(Listing listing, const std::string& filter) {
  auto query = ParseList(listing, {.page_size = 0, .filter = filter});
  return query ? query->conditions : std::vector<Condition>{};
}

Error Refusal(Listing listing, const ListRequest& request) {
  auto query = ParseList(listing, request);
  return query ? Error() : query.error();
}

Error FilterRefusal(Listing listing, const std::string& filter) {
  return Refusal(listing, {.page_size = 0, .filter = filter});
}

TEST(ParseList, TakesTheDefaultsOfAnEmptyRequest) {
  auto query = ParseList(Listing::kNodes, {});
  ASSERT_TRUE(query);
  EXPECT_EQ(query->limit, 100);
  EXPECT_EQ(query->order_by, "name");
  EXPECT_FALSE(query->descending);
  EXPECT_TRUE(query->conditions.empty());
  EXPECT_FALSE(query->after);
}

TEST(ParseList, BoundsThePage) {
  EXPECT_EQ(PageSize(0).value(), 100);
  EXPECT_EQ(PageSize(7).value(), 7);
  EXPECT_EQ(PageSize(1001).value(), 1000);
  EXPECT_EQ(PageSize(std::numeric_limits<int64_t>::max()).value(), 1000);
  EXPECT_EQ(PageSize(-1).error().reason, "INVALID_PAGE_SIZE");
  EXPECT_EQ(PageSize(std::numeric_limits<int64_t>::min()).error().Fact("field"), "page_size");
}

TEST(ParseFilter, TakesConditionsSeparatedBySpaces) {
  auto conditions = Parse(Listing::kNodes, "  org=acme   node_state!=running cpu_cores>=-4 ");
  ASSERT_EQ(conditions.size(), 3u);
  EXPECT_EQ(conditions[0].field, "org");
  EXPECT_EQ(std::get<std::string>(conditions[0].value), "acme");
  EXPECT_EQ(conditions[1].comparison, Comparison::kNotEqual);
  EXPECT_EQ(conditions[2].comparison, Comparison::kGreaterOrEqual);
  EXPECT_EQ(std::get<int64_t>(conditions[2].value), -4);
}

TEST(ParseFilter, TakesQuotesAndEmptyValues) {
  auto conditions = Parse(Listing::kNodes, R"(name="two words" host="a\"b\\c\d" org= region="")");
  ASSERT_EQ(conditions.size(), 4u);
  EXPECT_EQ(std::get<std::string>(conditions[0].value), "two words");
  EXPECT_EQ(std::get<std::string>(conditions[1].value), R"(a"b\c\d)");
  EXPECT_EQ(std::get<std::string>(conditions[2].value), "");
  EXPECT_EQ(std::get<std::string>(conditions[3].value), "");
}

TEST(ParseFilter, TakesTimesForIntegers) {
  auto conditions = Parse(Listing::kNodes, "created_at>1970-01-01T00:00:01Z updated_at<5");
  ASSERT_EQ(conditions.size(), 2u);
  EXPECT_EQ(std::get<int64_t>(conditions[0].value), 1'000'000);
  EXPECT_EQ(std::get<int64_t>(conditions[1].value), 5);
}

TEST(ParseFilter, TakesTimesAsPeopleTypeAndPasteThem) {
  auto conditions =
      Parse(Listing::kNodes, "created_at>=1970-01-02 created_at<\"1970-01-02 00:00:01\"");
  ASSERT_EQ(conditions.size(), 2u);
  EXPECT_EQ(std::get<int64_t>(conditions[0].value), 86'400'000'000);
  EXPECT_EQ(std::get<int64_t>(conditions[1].value), 86'401'000'000);
  EXPECT_NE(FilterRefusal(Listing::kNodes, "created_at>=yesterday").message.find("2026-03-01"),
            std::string::npos);
}

TEST(ParseFilter, TakesTheKindsOfCommandsWithAndWithoutTheirPrefix) {
  for (const char* filter : {"kind=upgrade", "kind=node_upgrade"}) {
    auto conditions = Parse(Listing::kCommands, filter);
    ASSERT_EQ(conditions.size(), 1u);
    EXPECT_EQ(std::get<std::string>(conditions[0].value), "node_upgrade");
  }
}

TEST(ParseFilter, RefusesWhatItCannotRead) {
  for (const char* filter :
       {"name", "=x", "name=\"x", "name=\"x\"y", "name=x\"y", "name = x", "name<x", "colour=red",
        "cpu_cores=", "!", "cpu_cores=1.5", "cpu_cores=9223372036854775808", "node_state=flying",
        "next_state=", "\"", "name=a ="}) {
    Error error = FilterRefusal(Listing::kNodes, filter);
    EXPECT_EQ(error.reason, "INVALID_FILTER") << filter;
    EXPECT_EQ(error.Fact("field"), "filter") << filter;
    EXPECT_FALSE(error.Fact("value").empty()) << filter;
  }
}

TEST(ParseFilter, RefusesWhatMeansSomethingElsewhere) {
  for (const char* filter : {"region=eu,org=acme", "region==eu", "name=n-*", "org='acme'",
                             "name=a;name=b", "cpu_cores>=8,region=eu"}) {
    const Error error = FilterRefusal(Listing::kNodes, filter);
    EXPECT_EQ(error.reason, "INVALID_FILTER") << filter;
    EXPECT_NE(error.message.find("separated by spaces"), std::string::npos) << error.message;
  }
  const auto conditions = Parse(Listing::kNodes, "name=\"a,*\" org=c== region=\"=\"");
  ASSERT_EQ(conditions.size(), 3u);
  EXPECT_EQ(std::get<std::string>(conditions[0].value), "a,*");
}

TEST(ParseFilter, NamesTheFieldsThatThereAre) {
  EXPECT_EQ(FilterRefusal(Listing::kRegions, "x=y").Fact("allowed"), "name, created_at");
}

TEST(ParseFilter, BoundsTheConditions) {
  std::string filter;
  for (int i = 0; i < 32; ++i) filter += "name=x ";
  EXPECT_EQ(Parse(Listing::kNodes, filter).size(), 32u);
  EXPECT_EQ(FilterRefusal(Listing::kNodes, filter + "name=x").reason, "INVALID_FILTER");
}

TEST(ParseList, TakesAnOrder) {
  auto query = ParseList(Listing::kHosts, {.page_size = 0, .order_by = "cpu_cores desc"});
  ASSERT_TRUE(query);
  EXPECT_EQ(query->order_by, "cpu_cores");
  EXPECT_TRUE(query->descending);
  query = ParseList(Listing::kEvents, {.page_size = 0, .order_by = "time"});
  ASSERT_TRUE(query);
  EXPECT_EQ(query->order_by, "cursor");
}

TEST(ParseList, RefusesAnOrderThatIsNone) {
  for (const char* order :
       {"colour", "name down", "name desc desc", " name", "name, org", "image"}) {
    Error error = Refusal(Listing::kNodes, {.page_size = 0, .order_by = order});
    EXPECT_EQ(error.reason, "INVALID_ORDER_BY") << order;
    EXPECT_EQ(error.Fact("field"), "order_by") << order;
  }
}

RC_GTEST_PROP(PageToken, GivesBackItsCursor,
              (const std::string& key, const std::string& text, int64_t number, bool is_text)) {
  ListRequest request{
      .page_size = 3, .filter = "name=x", .order_by = is_text ? "name" : "cpu_cores"};
  ListCursor cursor{.key = key};
  if (is_text) {
    cursor.value = text;
  } else {
    cursor.value = number;
  }
  request.page_token = PageToken(Listing::kNodes, request, cursor);
  auto query = ParseList(Listing::kNodes, request);
  RC_ASSERT(query.has_value());
  RC_ASSERT(query->after.has_value());
  RC_ASSERT(query->after->value == cursor.value);
  RC_ASSERT(query->after->key == key);
}

TEST(PageToken, IsRefusedWithAnotherListFilterOrOrder) {
  ListRequest request{.page_size = 0, .filter = "name=x", .order_by = "name"};
  request.page_token = PageToken(Listing::kNodes, request, {.value = std::string("n"), .key = "k"});
  EXPECT_TRUE(ParseList(Listing::kNodes, request));
  auto refused = [&](Listing listing, auto&& change) {
    ListRequest other = request;
    change(other);
    return Refusal(listing, other).reason == "INVALID_PAGE_TOKEN";
  };
  EXPECT_TRUE(refused(Listing::kHosts, [](ListRequest&) {}));
  EXPECT_TRUE(refused(Listing::kNodes, [](ListRequest& r) { r.filter = "name=y"; }));
  EXPECT_TRUE(refused(Listing::kNodes, [](ListRequest& r) { r.order_by = "name desc"; }));
  EXPECT_TRUE(refused(Listing::kNodes, [](ListRequest& r) { r.with_deleted = true; }));
  // Another size of page is fine.
  EXPECT_FALSE(refused(Listing::kNodes, [](ListRequest& r) { r.page_size = 7; }));
}

TEST(PageToken, IsRefusedWhenItWasTamperedWith) {
  ListRequest request;
  std::string good = PageToken(Listing::kNodes, request, {.value = std::string("n"), .key = "k"});
  for (const std::string& token :
       {std::string("x"), std::string("00"), good + "0", good.substr(0, 32), good.substr(2),
        std::string(200, 'f'), std::string("\xff\xfe"), std::string(50'000, '0')}) {
    request.page_token = token;
    EXPECT_EQ(Refusal(Listing::kNodes, request).reason, "INVALID_PAGE_TOKEN")
        << token.substr(0, 80);
  }
}

TEST(PageToken, IsRefusedWhenItsValueIsOfAnotherType) {
  ListRequest request;
  request.page_token = PageToken(Listing::kNodes, request, {.value = int64_t{5}, .key = "k"});
  EXPECT_EQ(Refusal(Listing::kNodes, request).reason, "INVALID_PAGE_TOKEN");
}

}  // namespace
}  // namespace tallyman::control
