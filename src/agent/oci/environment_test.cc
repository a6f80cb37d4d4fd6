#include "agent/oci/environment.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace tallyman::agent::oci {
namespace {

namespace json = boost::json;

std::string Planned(std::map<std::string, std::string> values) {
  json::array environment = {"PATH=/bin", "HOME=/root", "MODE=image", "PATHS=1"};
  NodeSpec spec;
  spec.name = "node-1";
  spec.values = std::move(values);
  PlanEnvironment(environment, spec);
  std::string text;
  for (const json::value& line : environment) text += std::string(line.as_string()) + "\n";
  return text;
}

TEST(PlanEnvironment, AValueReplacesTheImagesVariableOfItsName) {
  const std::string text = Planned({{"mode", "node"}, {"max-peers", "a=b c"}});
  EXPECT_NE(text.find("MODE=node\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("MODE=image\n"), std::string::npos);
  EXPECT_NE(text.find("MAX_PEERS=a=b c\n"), std::string::npos);
  EXPECT_NE(text.find("TALLYMAN_NODE_NAME=node-1\n"), std::string::npos);
}

TEST(PlanEnvironment, NoValueDecidesWhichProgramsRunAndWhatIsLoadedIntoThem) {
  for (const char* key :
       {"path", "PATH", "home", "ld-preload", "ld_library_path", "tallyman_node_id", "Tallyman.x"})
    EXPECT_EQ(Planned({{key, "/evil"}}).find("evil"), std::string::npos) << key;
  for (const char* key : {"paths", "ld", "home-dir", "tallyman"})
    EXPECT_NE(Planned({{key, "/fine"}}).find("fine"), std::string::npos) << key;
}

}  // namespace
}  // namespace tallyman::agent::oci
