// Operations on what changes slowly: orgs, regions, hosts, protocols, images, for Run(). Each reads
// by itself, alone in its lot. Batches are taken whole or not at all; an error of one item has the
// facts "index" (from 0) and "field".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control/operation.h"

namespace tallyman::control {

Result<Proposal<Org>> CreateOrg(const Authorized& by, const std::string& name);
struct SetQuotaRequest {
  std::string org;
  Quota set;                       // limits that are to be these; the others stay
  std::vector<std::string> reset;  // limits that are to go, by the words of kQuotaLimits
};
struct QuotaChange {
  Org org;
  Quota before;
  Books taken;  // may be more than the quota allows: then nothing of the org's can grow
};
// Changes nothing that runs.
Result<Proposal<QuotaChange>> SetQuota(const Authorized& by, const SetQuotaRequest& request);

Result<Proposal<Region>> CreateRegion(const Authorized& by, const std::string& name);

struct CreateProtocolRequest {
  std::string key;
  std::string name;
  std::string org;  // "" public
};
struct CreatedProtocol {
  Protocol protocol;
  std::string org;  // its name; "" public
};
Result<Proposal<CreatedProtocol>> CreateProtocol(const Authorized& by,
                                                 const CreateProtocolRequest& request);

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

  void ForgetNewIds();
};
Result<Proposal<CreatedHosts>> CreateHosts(const Authorized& by, const CreateHostsRequest& request);

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
  std::vector<planner::Warning> warnings;
  std::string plan_token;
  bool applied = false;

  std::string PlanToken() const;
  void ForgetNewIds() {}  // it has none
};
Result<Proposal<UpdatedHost>> UpdateHost(const Authorized& by, const UpdateHostRequest& request);

struct ImageSpec {
  std::string protocol;
  std::string variant;
  std::string semantic_version;
  std::string uri;
  std::optional<Time> committed_at;  // unset: now
  std::string org;                   // "" public
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

  void ForgetNewIds();
};
Result<Proposal<CreatedImages>> CreateImages(const Authorized& by,
                                             const CreateImagesRequest& request);

}  // namespace tallyman::control
