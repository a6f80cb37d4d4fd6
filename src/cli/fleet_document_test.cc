#include "cli/fleet_document.h"

#include <gmock/gmock.h>

#include "cli/amounts.h"
#include "cli/document.h"

namespace tallyman::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// A node of the second of two builds, with a value of its own, one of an older image, and a secret.
FleetState SmallState() {
  FleetState state;
  state.orgs = {"acme"};
  for (int build = 2; build >= 1; --build) {
    v1::Image& image = state.images.emplace_back();
    image.set_id("image-" + std::to_string(build));
    image.set_protocol("p");
    image.set_variant("v");
    image.set_semantic_version("1.0.0");
    image.set_build(build);
    image.set_image_uri("uri-" + std::to_string(build));
    image.mutable_committed_at()->set_seconds(build);
    for (const char* key : {"same", "other"}) {
      v1::Property& property = *image.add_properties();
      property.set_key(key);
      property.set_default_value("null");
    }
  }
  v1::Node& node = state.nodes["n"];
  node.set_name("n");
  node.set_org("acme");
  node.set_host("h");
  node.set_image("p/v@1.0.0+2");
  node.set_image_id("image-2");
  auto& values = *node.mutable_config()->mutable_values();
  values["same"] = "null";
  values["other"] = "";
  values["older"] = "x";
  (*node.mutable_config()->mutable_secrets())["token"] = true;
  (*node.mutable_config()->mutable_secrets())["unset"] = false;
  return state;
}

TEST(FleetDocument, IsReadAsWhatItWasMadeOf) {
  const FleetDocument written = DocumentOf(SmallState());
  const std::string text = ToYamlText(written.document);
  const auto fleet = ReadFleet("f", text);
  ASSERT_TRUE(fleet) << fleet.error().message << text;
  ASSERT_EQ(fleet->images.size(), 2U);
  EXPECT_EQ(fleet->images[0].spec.image_uri(), "uri-1") << "builds are published in their order";
  EXPECT_EQ(fleet->images[1].spec.committed_at().seconds(), 2);
  EXPECT_EQ(fleet->images[0].spec.properties(0).default_value(), "null");
  const FleetNodes& node = fleet->nodes.at(0);
  EXPECT_EQ(node.image, "p/v@1.0.0+2");
  EXPECT_THAT(node.values, ElementsAre(std::pair("other", "")));
  EXPECT_THAT(node.secrets, ElementsAre("token"));
  EXPECT_THAT(written.left_out, ElementsAre("n: older"));
}

TEST(FleetDocument, LeavesOutWhatIsBeingDeletedAndBuildsThatAreTheOnlyOne) {
  FleetState state = SmallState();
  state.images.pop_back();
  EXPECT_THAT(ToYamlText(DocumentOf(state).document), Not(HasSubstr("1.0.0+2")));
  state.nodes["n"].set_next_state(v1::NEXT_STATE_DELETING);
  EXPECT_THAT(ToYamlText(DocumentOf(state).document), Not(HasSubstr("nodes")));
}

TEST(FleetDocument, AmountsAreExact) {
  for (const int64_t bytes :
       {INT64_C(0), INT64_C(1), INT64_C(999), INT64_C(1024), INT64_C(16'000'000'000),
        INT64_C(1) << 34, INT64_C(1'500'000'000'001), INT64_MAX}) {
    const auto read = ParseAmount("a", ExactAmount(bytes));
    ASSERT_TRUE(read) << ExactAmount(bytes);
    EXPECT_EQ(*read, bytes);
  }
  EXPECT_EQ(ExactAmount(16'000'000'000), "16GB");
  EXPECT_EQ(ExactAmount(INT64_C(1) << 34), "16GiB");
}

}  // namespace
}  // namespace tallyman::cli
