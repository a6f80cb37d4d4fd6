// A small fleet with two nodes on two hosts, for tests of what happens around an upgrade.
#pragma once

#include <string>

#include "support/api_room.h"

namespace tallyman {

class Around : public testing::Test {
 protected:
  void SetUp() override {
    room.AddFleet(2);
    room.AddImage("1.0.0", Needs(2, 4, 100));
    room.AddImage("2.0.0", Needs(4, 8, 200));
    ASSERT_OK(room.Create("a", "host-1", "1.0.0"));
    ASSERT_OK(room.Create("b", "host-2", "1.0.0"));
  }

  void AddOrg(const std::string& name) {
    v1::CreateOrgRequest org;
    org.set_name(name);
    auto answer = room.Send<v1::CreateOrgResponse>("OrgService/CreateOrg", org);
    ASSERT_OK(answer);
    other_org = *OrgId::Parse(answer->org().id());
  }

  // chain/full@7.0.0, which only the other org sees; returns its id.
  std::string AddPrivateImage() {
    v1::CreateImagesRequest images;
    auto* spec = images.add_images();
    spec->set_protocol("chain");
    spec->set_variant("full");
    spec->set_semantic_version("7.0.0");
    spec->set_image_uri("docker://private");
    spec->set_org("other");
    spec->mutable_minimum()->set_cpu_cores(1);
    spec->mutable_minimum()->set_memory_bytes(1);
    spec->mutable_minimum()->set_disk_bytes(1);
    EXPECT_TRUE(room.Send<v1::CreateImagesResponse>("CatalogService/CreateImages", images));
    v1::GetImageRequest get;
    get.set_image("chain/full@7.0.0");
    auto image = room.Send<v1::GetImageResponse>("CatalogService/GetImage", get);
    EXPECT_TRUE(image.has_value());
    return image ? image->image().id() : "";
  }

  Result<v1::MoveNodesResponse> Move(const std::string& node, const std::string& org) {
    v1::MoveNodesRequest request;
    request.add_nodes(node);
    request.set_org(org);
    return room.Send<v1::MoveNodesResponse>("NodeService/MoveNodes", request);
  }

  Result<v1::UpgradeNodesResponse> UpgradeAll(const v1::NodeSelector& selector) {
    v1::UpgradeNodesRequest request;
    *request.mutable_selector() = selector;
    request.set_image("chain/full@2.0.0");
    return room.Send<v1::UpgradeNodesResponse>("NodeService/UpgradeNodes", request);
  }

  static v1::NodeSelector Chain() {
    v1::NodeSelector selector;
    selector.set_protocol("chain");
    return selector;
  }

  ApiRoom room;
  OrgId other_org;
};

}  // namespace tallyman
