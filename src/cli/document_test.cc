#include "cli/document.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "tallyman/v1/host.pb.h"

namespace tallyman::cli {
namespace {

v1::HostSpec Example() {
  v1::HostSpec host;
  host.set_name("h \"1\"\n");
  host.set_region("no");
  host.mutable_capacity()->set_cpu_cores(INT64_MAX);
  return host;
}

TEST(Document, JsonHasAllFieldsByTheirNamesAndLargeNumbersAsText) {
  EXPECT_EQ(ToJsonText(ToDocument(Example())),
            "{\n"
            "  \"name\": \"h \\\"1\\\"\\n\",\n"
            "  \"region\": \"no\",\n"
            "  \"capacity\": {\n"
            "    \"cpu_cores\": \"9223372036854775807\",\n"
            "    \"memory_bytes\": \"0\",\n"
            "    \"disk_bytes\": \"0\"\n"
            "  },\n"
            "  \"capacity_policy\": \"CAPACITY_POLICY_UNSPECIFIED\"\n"
            "}\n");
}

TEST(Document, YamlQuotesWhatWouldBeReadAsSomethingElse) {
  EXPECT_EQ(ToYamlText(ToDocument(Example())),
            "name: \"h \\\"1\\\"\\n\"\n"
            "region: \"no\"\n"
            "capacity:\n"
            "  cpu_cores: \"9223372036854775807\"\n"
            "  memory_bytes: \"0\"\n"
            "  disk_bytes: \"0\"\n"
            "capacity_policy: CAPACITY_POLICY_UNSPECIFIED\n");
}

TEST(Document, EmptyListsAndBooleansStayWhatTheyAre) {
  const boost::json::value document = {{"list", boost::json::array()}, {"yes", true}, {"n", 3}};
  EXPECT_EQ(ToJsonText(document), "{\n  \"list\": [],\n  \"yes\": true,\n  \"n\": 3\n}\n");
  EXPECT_EQ(ToYamlText(document), "list: []\nyes: true\nn: 3\n");
}

TEST(Document, BrokenTextBecomesReplacementCharacters) {
  EXPECT_EQ(ToJsonString("a\xff"
                         "b"),
            "a\xef\xbf\xbd"
            "b");
}

}  // namespace
}  // namespace tallyman::cli
