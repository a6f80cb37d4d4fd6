#include <map>

#include "base/text.h"
#include "control/inventory/batch.h"
#include "control/inventory/inventory.h"
#include "control/new_event.h"
#include "control/reads/resolve.h"
#include "planner/capacity.h"

namespace tallyman::control {
namespace {

Status CheckHosts(const std::vector<HostSpec>& hosts) {
  RETURN_IF_ERROR(CheckBatch("hosts", hosts.size()));
  std::map<std::string_view, size_t> names;
  for (size_t i = 0; i < hosts.size(); ++i) {
    const HostSpec& spec = hosts[i];
    if (Status status = CheckNewName("name", spec.name); !status) {
      return Fail(InItem(std::move(status.error()), "hosts", i, "name"));
    }
    if (auto [first, fresh] = names.emplace(spec.name, i); !fresh) {
      return Fail(
          InItem(InvalidArgument("DUPLICATE_HOST",
                                 fmt::format("host {} is in the request twice, first as hosts[{}]",
                                             spec.name, first->second)),
                 "hosts", i, "name"));
    }
    if (Status status = planner::CheckCapacityAmounts(spec.capacity); !status) {
      std::string field(status.error().Fact("dimension"));
      return Fail(InItem(std::move(status.error()), "hosts", i, "capacity." + field));
    }
  }
  return {};
}

// What differs between the host that is there and the one that is asked for; "" when nothing does.
std::string HostDifference(const store::HostRow& row, const HostSpec& spec) {
  if (row.region != spec.region && row.host.region_id.ToString() != spec.region) return "region";
  for (Dimension d : kDimensions) {
    if (row.host.capacity.get(d) != spec.capacity.get(d))
      return "capacity." + std::string(ToText(d));
  }
  return row.host.capacity_policy == spec.capacity_policy ? "" : "capacity_policy";
}

Error Exists(const HostSpec& spec, const std::string& difference) {
  std::string what = difference.empty() ? "with the same content" : "with another " + difference;
  return AlreadyExists("HOST_NAME_TAKEN",
                       fmt::format("host {} exists already, {}: change it with `tallyman host "
                                   "update`, or choose another name",
                                   spec.name, what))
      .About("host " + spec.name);
}

class HostBatch {
 public:
  HostBatch(const Authorized& by, const CreateHostsRequest& request)
      : ids_(by.control().ids()), request_(request), cause_(by.cause()) {}

  Result<Decided<CreatedHosts>> Decide(store::ReadTx& tx) {
    for (size_t i = 0; i < request_.hosts.size(); ++i) RETURN_IF_ERROR(Take(tx, i));
    return std::move(decision_);
  }

 private:
  Status Take(store::ReadTx& tx, size_t index) {
    const HostSpec& spec = request_.hosts[index];
    ASSIGN_OR_RETURN(auto existing, tx.FindHost(spec.name));
    if (existing) {
      std::string difference = HostDifference(*existing, spec);
      if (!request_.skip_existing || !difference.empty()) {
        return Fail(InItem(Exists(spec, difference), "hosts", index,
                           difference.empty() ? "name" : difference));
      }
      decision_.answer.items.push_back({existing->host.id.ToString(), spec.name, true});
      return {};
    }
    auto region = RegionOf(tx, spec.region);
    if (!region) return Fail(InItem(std::move(region.error()), "hosts", index, "region"));
    Host host;
    host.id = ids_.New<HostId>();
    host.name = spec.name;
    host.region_id = *region;
    host.capacity = spec.capacity;
    host.capacity_policy = spec.capacity_policy;
    host.created_at = cause_.now;
    host.updated_at = cause_.now;
    Event event = NewEvent(cause_, EventKind::kHostCreated, Detail({{"region", spec.region}}));
    event.host_id = host.id;
    decision_.rows.events.push_back(std::move(event));
    decision_.answer.items.push_back({host.id.ToString(), host.name, false});
    decision_.rows.new_hosts.push_back(std::move(host));
    return {};
  }

  Result<RegionId> RegionOf(store::ReadTx& tx, const std::string& name) {
    auto known = regions_.find(name);
    if (known != regions_.end()) return known->second;
    ASSIGN_OR_RETURN(Region region, ResolveRegion(tx, name));
    regions_.emplace(name, region.id);
    return region.id;
  }

  IdSource& ids_;
  const CreateHostsRequest& request_;
  planner::Cause cause_;
  std::map<std::string, RegionId> regions_;
  Decided<CreatedHosts> decision_;
};

}  // namespace

void CreatedHosts::ForgetNewIds() {
  for (CreatedItem& item : items)
    if (!item.skipped) item.id.clear();
}

Result<Proposal<CreatedHosts>> CreateHosts(const Authorized&, const CreateHostsRequest& request) {
  RETURN_IF_ERROR(CheckHosts(request.hosts));
  auto decide = [request](const Authorized& by, const store::Snapshot&, store::ReadTx& tx) {
    return HostBatch(by, request).Decide(tx);
  };
  return Proposal<CreatedHosts>{.solo = true,
                                .rows = std::ssize(request.hosts),
                                .plan = {.dry_run = request.dry_run},
                                .decide = std::move(decide)};
}

}  // namespace tallyman::control
