// Calls the operations of a control room and waits for them, on any database.
#pragma once

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "base/time.h"
#include "control/audit/audit.h"
#include "control/control.h"
#include "control/inventory/inventory.h"
#include "control/nodes/nodes.h"
#include "control/read.h"

namespace tallyman {

// Run() and what stands on it may be used from many threads; the building of a fleet may not.
class ControlCalls {
 public:
  virtual ~ControlCalls() = default;
  // The control room that is meant.
  virtual control::Control& Behind() = 0;

  struct control::Call As(std::string method) const {
    struct control::Call call;
    call.actor = {.id = "tester", .role = Role::kAdmin};
    call.method = std::move(method);
    return call;
  }

  // Runs an operation and waits for its answer. A replay gives an empty answer.
  template <class Request, class Answer>
  Result<Answer> Run(Result<control::Proposal<Answer>> (*operation)(const control::Authorized&,
                                                                    const Request&),
                     struct control::Call call, const std::type_identity_t<Request>& request) {
    auto answer = std::make_shared<Answer>();
    std::promise<Result<std::string>> promise;
    auto future = promise.get_future();
    control::Run(
        Behind(), std::move(call), operation, request,
        [answer](const Answer& a) {
          *answer = a;
          return std::string("answered");
        },
        [&promise](Result<std::string> bytes) { promise.set_value(std::move(bytes)); });
    Result<std::string> bytes = future.get();
    if (!bytes) return Fail(bytes.error());
    return *answer;
  }

  Result<control::Changes> Upgrade(std::vector<std::string> nodes, const std::string& image,
                                   control::PlanOptions plan = {}) {
    control::UpgradeNodesRequest request{
        .nodes = std::move(nodes), .image = image, .plan = std::move(plan)};
    return Run<control::UpgradeNodesRequest, control::Changes>(
        control::UpgradeNodes, As("NodeService/UpgradeNodes"), request);
  }

  Result<control::AuditAnswer> Audit() {
    return control::Read(Behind(), As("AuditService/RunAudit"), control::RunAudit,
                         control::AuditRequest());
  }

  // An org "acme", a region "eu", hosts host-1.. of 64 cores, 256 GB, 10 TB.
  void AddFleet(int hosts) {
    ASSERT_TRUE((Run<std::string, Org>(control::CreateOrg, As("OrgService/CreateOrg"), "acme"))
                    .has_value());
    ASSERT_TRUE(
        (Run<std::string, Region>(control::CreateRegion, As("RegionService/CreateRegion"), "eu"))
            .has_value());
    control::CreateHostsRequest request;
    for (int i = 1; i <= hosts; ++i) {
      request.hosts.push_back(
          {"host-" + std::to_string(i), "eu", {64, 256 * kGiga, 10'000 * kGiga}, {}});
    }
    auto created = Run<control::CreateHostsRequest, control::CreatedHosts>(
        control::CreateHosts, As("HostService/CreateHosts"), request);
    ASSERT_TRUE(created.has_value()) << created.error().message;
  }

  // chain/full@VERSION with these needs.
  void AddImage(const std::string& version, const Resources& minimum,
                std::vector<Property> properties = {}) {
    control::CreateImagesRequest request;
    request.create_missing = true;
    control::ImageSpec& spec = request.images.emplace_back();
    spec.protocol = "chain";
    spec.variant = "full";
    spec.semantic_version = version;
    spec.uri = "docker://chain:" + version;
    spec.committed_at = FromMicros(++published_ * 1'000'000);
    spec.minimum = minimum;
    spec.properties = std::move(properties);
    auto created = Run<control::CreateImagesRequest, control::CreatedImages>(
        control::CreateImages, As("CatalogService/CreateImages"), request);
    ASSERT_TRUE(created.has_value()) << created.error().message;
  }

  Result<control::Changes> AddNodes(const std::string& version, const std::string& prefix,
                                    int64_t count) {
    control::CreateNodesRequest request;
    request.image = "chain/full@" + version;
    request.org = "acme";
    request.name_prefix = prefix;
    request.count = count;
    request.region = "eu";
    return Run<control::CreateNodesRequest, control::Changes>(
        control::CreateNodes, As("NodeService/CreateNodes"), request);
  }

 private:
  int64_t published_ = 0;
};

}  // namespace tallyman
