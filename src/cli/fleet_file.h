// A fleet as a file declares it. Pure: text in, the declaration or an error with its place out.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/csv.h"
#include "tallyman/v1/catalog.pb.h"
#include "tallyman/v1/host.pb.h"
#include "tallyman/v1/node.pb.h"

namespace tallyman::cli {

struct FleetName {
  FilePosition position;
  std::string name;
};

struct FleetHost {
  FilePosition position;
  v1::HostSpec spec;
};

struct FleetProtocol {
  FilePosition position;
  std::string key;
  std::string name;
  std::string org;
};

struct FleetImage {
  FilePosition position;
  std::string reference;  // without build
  v1::ImageSpec spec;
};

struct FleetNodes {
  FilePosition position;
  // One name, or PREFIX-1 to PREFIX-COUNT.
  std::vector<std::string> names;
  std::string image;
  std::string org;     // empty: the default
  std::string host;    // either this
  std::string region;  // or that
  v1::PlacementStrategy strategy = v1::PLACEMENT_STRATEGY_SPREAD;
  std::map<std::string, std::string> values;
  std::map<std::string, std::string> value_files;  // paths of the files that have other values
  // Keys of secrets that are set, whose values may be somewhere else.
  std::vector<std::string> secrets;
  std::vector<v1::FirewallRule> firewall_rules;
  std::optional<bool> auto_upgrade;
};

struct Fleet {
  std::vector<FleetName> orgs;
  std::vector<FleetName> regions;
  std::vector<FleetHost> hosts;
  std::vector<FleetProtocol> protocols;
  std::vector<FleetImage> images;
  std::vector<FleetNodes> nodes;
};

// The form is described in docs/cli.md. INVALID_ARGUMENT with the place, reason INVALID_YAML for
// what is no YAML and INVALID_FLEET for the rest: an unknown key, a wrong type, a missing value, a
// name that is declared twice or not well-formed, an amount that is wrong.
Result<Fleet> ReadFleet(std::string_view file, const std::string& text);

}  // namespace tallyman::cli
