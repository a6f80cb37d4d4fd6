// Operations on what changes slowly: orgs, regions, hosts, protocols, images. Batches are taken
// whole or not at all; an error of one item has the facts "index" (from 0) and "field".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control/control.h"
#include "control/nodes.h"

namespace tallyman {

void CreateOrg(Control& control, Call call, const std::string& name, Encode<Org> encode, Done done);
void CreateRegion(Control& control, Call call, const std::string& name, Encode<Region> encode,
                  Done done);

struct CreateProtocolRequest {
  std::string key;
  std::string name;
  std::string org;  // "" public
};
void CreateProtocol(Control& control, Call call, const CreateProtocolRequest& request,
                    Encode<Protocol> encode, Done done);

struct HostSpec {
  std::string name;
  std::string region;
  Resources capacity;
  std::optional<CapacityPolicy> capacity_policy;
};
struct CreateHostsRequest {
  std::vector<HostSpec> hosts;
  bool skip_existing = false;
  bool dry_run = false;
};
struct CreatedItem {
  std::string id;    // "" in a dry run
  std::string name;  // of an image, its reference
  bool skipped = false;
};
struct CreatedHosts {
  std::vector<CreatedItem> items;
  bool applied = false;
};
void CreateHosts(Control& control, Call call, const CreateHostsRequest& request,
                 Encode<CreatedHosts> encode, Done done);

struct UpdateHostRequest {
  std::string host;
  std::optional<Resources> capacity;
  // Outer empty: unchanged; inner empty: the server's policy.
  std::optional<std::optional<CapacityPolicy>> capacity_policy;
  int64_t expected_version = 0;
  PlanOptions plan;
};
struct UpdatedHost {
  Host before;
  Host after;
  std::string region;
  std::vector<Warning> warnings;
  std::string plan_token;
  bool applied = false;
};
void UpdateHost(Control& control, Call call, const UpdateHostRequest& request,
                Encode<UpdatedHost> encode, Done done);

struct ImageSpec {
  std::string protocol;
  std::string variant;
  std::string semantic_version;
  std::string uri;
  Time committed_at;
  std::string org;  // "" public
  Resources minimum;
  std::vector<Property> properties;
  std::vector<FirewallRule> firewall_rules;
};
struct CreateImagesRequest {
  std::vector<ImageSpec> images;
  bool create_missing = false;  // protocols; versions are always made on the way
  bool skip_existing = false;
  bool dry_run = false;
};
struct CreatedImages {
  std::vector<CreatedItem> items;
  int64_t protocols_created = 0;
  int64_t versions_created = 0;
  bool applied = false;
};
void CreateImages(Control& control, Call call, const CreateImagesRequest& request,
                  Encode<CreatedImages> encode, Done done);

}  // namespace tallyman
