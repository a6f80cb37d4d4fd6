#include "cli/fleet_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tallyman::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kFleet = R"(orgs: [acme, {name: research}]
regions: [eu]
hosts:
  - {name: h1, region: eu, cpu: 32, memory: 256GiB, disk: 8TB, capacity_policy: enforce}
protocols: [gnosis, {key: ethereum, name: Ethereum}]
images:
  - image: ethereum/reth@0.0.9
    uri: reth:0.0.9
    committed_at: 1732542956
    cpu: 8
    memory: 16GB
    disk: 1500GB
    properties:
      - {key: archive, default: "off", add: {disk: 1TB}}
    firewall:
      - {key: p2p, direction: in, action: allow, ports: [30303]}
nodes:
  - {name: a, image: ethereum/reth@0.0.9, host: h1, org: acme, values: {archive: "on"}, auto_upgrade: true}
  - {name_prefix: b, count: 2, image: ethereum/reth@0.0.9, region: eu, strategy: pack}
)";

TEST(ReadFleet, ReadsEverythingThatCanBeDeclared) {
  const auto read = ReadFleet("f", kFleet);
  ASSERT_TRUE(read) << read.error().message;
  const Fleet& fleet = *read;
  EXPECT_EQ(fleet.orgs.at(1).name, "research");
  EXPECT_EQ(fleet.hosts.at(0).spec.capacity().memory_bytes(), int64_t{256} << 30);
  EXPECT_EQ(fleet.hosts[0].spec.capacity_policy(), v1::CAPACITY_POLICY_ENFORCE);
  EXPECT_EQ(fleet.protocols.at(1).name, "Ethereum");
  EXPECT_EQ(fleet.images.at(0).spec.variant(), "reth");
  EXPECT_EQ(fleet.images[0].spec.committed_at().seconds(), 1732542956);
  EXPECT_EQ(fleet.images[0].spec.properties(0).add().disk_bytes(), 1'000'000'000'000);
  EXPECT_EQ(fleet.images[0].spec.firewall_rules(0).ports(0), 30303U);
  EXPECT_EQ(fleet.nodes.at(0).values.at("archive"), "on");
  EXPECT_EQ(fleet.nodes[0].auto_upgrade, true);
  EXPECT_THAT(fleet.nodes.at(1).names, ElementsAre("b-1", "b-2"));
  EXPECT_EQ(fleet.nodes[1].strategy, v1::PLACEMENT_STRATEGY_PACK);
}

TEST(ReadFleet, NamesLineAndColumnOfWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "f:1:1: the file declares nothing"},
      {"[a]\n", "f:1:1: a fleet must be a map"},
      {"orgs: []\nhost: []\n",
       "f:2:1: unknown key \"host\" in a fleet; the keys are orgs, regions"},
      {"orgs: acme\n", "f:1:7: orgs must be a list"},
      {"orgs: [a b]\n", "f:1:8: an org is \"a b\""},
      {"orgs: [a, null]\n", "f:1:11: an org has no name"},
      {"regions: [eu, eu]\n", "f:1:15: regions declares \"eu\" twice"},
      {"hosts:\n  - name: h1\n", "f:2:5: a host needs a key \"region\""},
      {"hosts:\n- {name: h, region: r, cpu: 1.5, memory: 1GB, disk: 1TB}\n",
       "f:2:29: cpu is \"1.5\": fractions"},
      {"hosts:\n- {name: h, region: r, cpu: 1, memory: -1GB, disk: 1TB}\n",
       "f:2:40: memory is \"-1GB\""},
      {"hosts:\n- {name: h, region: r, cpu: 1, memory: [1], disk: 1TB}\n",
       "f:2:40: memory must be a single value"},
      {"hosts:\n- {name: h, region: r, cpu: 1, memry: 1GB, disk: 1TB}\n",
       "f:2:32: unknown key \"memry\" in a host"},
      {"hosts:\n- {name: h, region: r, cpu: 1, memory: 1GB, disk: 1TB, capacity_policy: x}\n",
       "f:2:73: capacity_policy"},
      {"images:\n- {image: eth, uri: u, cpu: 1, memory: 1GB, disk: 1TB}\n",
       "f:2:11: image \"eth\" is not a reference"},
      {"images:\n- {image: a/b@1.0.0+2, uri: u, cpu: 1, memory: 1GB, disk: 1TB}\n",
       "names a build"},
      {"nodes:\n- {name: n, image: i}\n", "f:2:3: a node entry needs either host or region"},
      {"nodes:\n- {image: i, host: h}\n", "f:2:3: a node entry needs either name, or name_prefix"},
      {"nodes:\n- {name_prefix: n, count: 0, image: i, host: h}\n", "name_prefix needs a count"},
      {"nodes:\n- {name: n, image: i, host: h, auto_upgrade: 1}\n",
       "f:2:46: auto_upgrade is \"1\""},
      {"nodes:\n- {name: n, image: i, host: h, values: [a]}\n", "f:2:40: values must be a map"},
      {"nodes:\n- {name: b-2, image: i, host: h}\n- {name_prefix: b, count: 2, image: i, host: "
       "h}\n",
       "f:3:3: nodes declares \"b-2\" twice"},
  };
  for (const auto& [text, message] : cases) {
    const auto fleet = ReadFleet("f", text);
    ASSERT_FALSE(fleet) << text;
    EXPECT_EQ(fleet.error().code, Code::kInvalidArgument);
    EXPECT_THAT(fleet.error().message, HasSubstr(message)) << text;
  }
}

}  // namespace
}  // namespace tallyman::cli
