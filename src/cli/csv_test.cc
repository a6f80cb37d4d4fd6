#include "cli/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace tallyman::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::vector<std::string>> Texts(const CsvTable& table) {
  std::vector<std::vector<std::string>> rows;
  for (const CsvRow& row : table.rows) {
    rows.emplace_back();
    for (const CsvField& field : row) rows.back().push_back(field.text);
  }
  return rows;
}

TEST(ReadCsv, TakesLineEndsOfBothKindsAndAByteOrderMark) {
  const auto table = ReadCsv("f",
                             "\xef\xbb\xbf"
                             "a,b\r\n1,2\n3,4");
  ASSERT_TRUE(table);
  EXPECT_THAT(Texts(*table),
              ElementsAre(ElementsAre("a", "b"), ElementsAre("1", "2"), ElementsAre("3", "4")));
  EXPECT_EQ(table->rows[0][0].position, (FilePosition{1, 1}));
  EXPECT_EQ(table->rows[2][1].position, (FilePosition{3, 3}));
}

TEST(ReadCsv, TakesQuotedFieldsWithCommasQuotesAndLineEnds) {
  const auto table = ReadCsv("f", "\"a,\"\"b\"\"\r\nc\",d\n\"\",e\n");
  ASSERT_TRUE(table);
  EXPECT_THAT(Texts(*table), ElementsAre(ElementsAre("a,\"b\"\r\nc", "d"), ElementsAre("", "e")));
  EXPECT_EQ(table->rows[0][1].position, (FilePosition{2, 4}));
  EXPECT_EQ(table->rows[1][1].position, (FilePosition{3, 4}));
}

TEST(ReadCsv, TakesEmptyLinesAtTheEndOnly) {
  EXPECT_EQ(ReadCsv("f", "a\n\n\n")->rows.size(), 1U);
  EXPECT_EQ(ReadCsv("f", "")->rows.size(), 0U);
  const auto table = ReadCsv("f", "a\n\nb\n");
  ASSERT_FALSE(table);
  EXPECT_THAT(table.error().message, HasSubstr("f:2:1: an empty line"));
}

TEST(ReadCsv, NamesThePlaceOfWhatIsWrong) {
  const std::pair<std::string, const char*> cases[] = {
      {"a,b\nx\"y,z", "f:2:2: a quote inside"},
      {"a\n\"b\nc", "f:2:1: the quote that opens here"},
      {"\"a\"b,c", "f:1:4: text after a closing quote"},
      {std::string("ä,b\0c", 6), "f:1:4: a NUL"},
      {"a\xff,b", "f:1:1: \"a\\xff\" is not UTF-8"},
      {"a\rb,c", "f:1:2: a carriage return"},
  };
  for (const auto& [text, message] : cases) {
    const auto table = ReadCsv("f", text);
    ASSERT_FALSE(table) << text;
    EXPECT_EQ(table.error().reason, "INVALID_CSV");
    EXPECT_THAT(table.error().message, HasSubstr(message));
  }
}

TEST(ReadCsv, RefusesAFieldThatIsTooLong) {
  const auto table = ReadCsv("f", "a," + std::string(10'000'000, 'x'), {.field_bytes_max = 4096});
  ASSERT_FALSE(table);
  EXPECT_THAT(table.error().message, HasSubstr("f:1:3: the field is longer than 4096 bytes"));
  EXPECT_LT(table.error().message.size(), 200U);
}

TEST(SelectColumns, BringsFieldsIntoTheOrderAsked) {
  const auto rows = SelectColumns("f", *ReadCsv("f", "b,a\n1,2\n"), {"a", "b"});
  ASSERT_TRUE(rows);
  EXPECT_EQ((*rows)[0][0].text, "2");
  EXPECT_EQ((*rows)[0][0].position, (FilePosition{2, 3}));
}

TEST(SelectColumns, RefusesAnotherHeaderOrRow) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "f:1:1: the file is empty; its first line must be a,b"},
      {"a\n", "f:1:1: column \"b\" is missing"},
      {"a,b,c\n", "f:1:5: unknown column \"c\""},
      {"a,b,a\n", "f:1:5: column \"a\" is there twice"},
      {"a,b\n1\n", "f:2:1: the row has 1 fields, the header has 2"},
      {"a,b\n1,2,3\n", "f:2:5: the row has 3 fields, the header has 2"},
  };
  for (const auto& [text, message] : cases) {
    const auto rows = SelectColumns("f", *ReadCsv("f", text), {"a", "b"});
    ASSERT_FALSE(rows) << text;
    EXPECT_THAT(rows.error().message, HasSubstr(message));
  }
}

// What is written with every field quoted is read back as it was.
RC_GTEST_PROP(ReadCsv, ReadsBackWhatWasWritten,
              (const std::vector<std::vector<std::string>>& generated)) {
  std::string text;
  std::vector<std::vector<std::string>> rows;
  for (std::vector<std::string> row : generated) {
    if (row.empty()) continue;
    for (size_t i = 0; i < row.size(); ++i) {
      std::erase_if(row[i],
                    [](char c) { return c == '\0' || static_cast<unsigned char>(c) > 0x7f; });
      text += i == 0 ? "\"" : ",\"";
      for (const char c : row[i]) text += c == '"' ? std::string("\"\"") : std::string(1, c);
      text += '"';
    }
    text += "\r\n";
    rows.push_back(std::move(row));
  }
  const auto table = ReadCsv("f", text);
  RC_ASSERT(table.has_value());
  RC_ASSERT(Texts(*table) == rows);
}

}  // namespace
}  // namespace tallyman::cli
