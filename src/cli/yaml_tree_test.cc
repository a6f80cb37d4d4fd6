#include "cli/yaml_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tallyman::cli {
namespace {

using testing::HasSubstr;

TEST(ReadYaml, KeepsOrderAndPlaces) {
  const auto root = ReadYaml("f", "b: [x, 'y']\na:\n  c: ~\n");
  ASSERT_TRUE(root);
  ASSERT_EQ((*root)->kind, YamlNode::Kind::kMap);
  EXPECT_EQ((*root)->entries[0].first->scalar, "b");
  EXPECT_EQ((*root)->Find("b")->items[1]->scalar, "y");
  EXPECT_EQ((*root)->Find("b")->items[1]->position, (FilePosition{1, 8}));
  EXPECT_EQ((*root)->Find("a")->Find("c")->kind, YamlNode::Kind::kNull);
  EXPECT_EQ((*root)->Find("nope"), nullptr);
}

TEST(ReadYaml, EmptyTextIsNull) {
  EXPECT_EQ((*ReadYaml("f", ""))->kind, YamlNode::Kind::kNull);
  EXPECT_EQ((*ReadYaml("f", "# only a comment\n"))->kind, YamlNode::Kind::kNull);
}

TEST(ReadYaml, AliasesShareTheirAnchorsNode) {
  const auto root = ReadYaml("f", "a: &x {k: v}\nb: *x\n");
  ASSERT_TRUE(root);
  EXPECT_EQ((*root)->Find("a"), (*root)->Find("b"));
}

TEST(ReadYaml, NamesThePlaceOfWhatIsWrong) {
  const std::pair<std::string, const char*> cases[] = {
      {"a: [1, 2", "f:1"},
      {"a: 1\na: 2\n", "f:2:1: key \"a\" is there twice"},
      {"a: 1\n---\nb: 2\n", "a second document"},
      {"[a, b]: 1\n", "a key must be plain text"},
      {"a: !weird x\n", "tag \"!weird\" is not known"},
      {"a: &x [*x]\n", "inside the node"},
      {"a: *nope\n", "f:1"},
      {"a: 1\nb: \xff\n", "f:2:1: the line is not UTF-8"},
      {std::string("a: \0b\n", 6), "f:1:4: a control character"},
      {"a: @b\n", "f:1"},
      {"a: !!binary aGk=\n", "f:1:4: tag"},
      {"\ta: b\n", "f:1"},
  };
  for (const auto& [text, message] : cases) {
    const auto root = ReadYaml("f", text);
    ASSERT_FALSE(root) << text;
    EXPECT_EQ(root.error().code, Code::kInvalidArgument);
    EXPECT_EQ(root.error().reason, "INVALID_YAML") << text;
    EXPECT_THAT(root.error().message, HasSubstr(message)) << text;
  }
}

TEST(ReadYaml, AnAliasBombIsRefusedAndCostsNothing) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 30; ++i) {
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) bomb += (j == 0 ? "*a" : ", *a") + std::to_string(i - 1);
    bomb += "]\n";
  }
  const auto root = ReadYaml("f", bomb);
  ASSERT_FALSE(root);
  EXPECT_THAT(root.error().message, HasSubstr("with its aliases written out"));
}

TEST(ReadYaml, DeepNestingIsRefused) {
  const auto root = ReadYaml("f", std::string(100'000, '['));
  ASSERT_FALSE(root);
  EXPECT_EQ(root.error().reason, "INVALID_YAML");
}

TEST(ReadYaml, HugeTextsAreRefused) {
  EXPECT_FALSE(ReadYaml("f", "a: " + std::string(100'000, 'x')));
  EXPECT_FALSE(ReadYaml("f", std::string((16 << 20) + 1, ' ')));
  EXPECT_FALSE(ReadYaml("f", "[a, a, a]", {.nodes_max = 3}));
}

}  // namespace
}  // namespace tallyman::cli
