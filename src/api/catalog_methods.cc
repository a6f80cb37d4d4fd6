// CatalogService.
#include <fmt/core.h>

#include "api/convert.h"
#include "api/list_message.h"
#include "api/method.h"
#include "base/time.h"
#include "control/inventory/inventory.h"
#include "control/read.h"
#include "control/reads/queries.h"
#include "tallyman/v1/catalog.pb.h"

namespace tallyman::api {
namespace {

v1::Protocol MessageOf(const Protocol& protocol, const std::string& org) {
  v1::Protocol out;
  out.set_id(protocol.id.ToString());
  out.set_key(protocol.key);
  out.set_name(protocol.name);
  out.set_org(org);
  out.set_org_id(TextOf(protocol.org_id));
  *out.mutable_created_at() = ToMessage(protocol.created_at);
  return out;
}

v1::Image MessageOf(const control::ImageView& view) {
  const Image& image = *view.image;
  v1::Image out;
  out.set_id(image.id.ToString());
  out.set_reference(image.Reference());
  out.set_protocol(image.protocol.key);
  out.set_protocol_id(image.protocol.id.ToString());
  out.set_variant(image.version.variant);
  out.set_semantic_version(image.version.semantic_version);
  out.set_protocol_version_id(image.version.id.ToString());
  out.set_build(image.build);
  out.set_image_uri(image.uri);
  *out.mutable_committed_at() = ToMessage(image.committed_at);
  out.set_org(view.org);
  out.set_org_id(TextOf(image.org_id));
  *out.mutable_minimum() = ToMessage(image.minimum);
  for (const Property& property : image.properties) {
    v1::Property& part = *out.add_properties();
    part.set_key(property.key);
    part.set_description(property.description);
    part.set_default_value(property.default_value);
    *part.mutable_add() = ToMessage(property.add);
    part.set_secret(property.secret);
  }
  for (const FirewallRule& rule : image.firewall_rules) *out.add_firewall_rules() = ToMessage(rule);
  *out.mutable_created_at() = ToMessage(image.created_at);
  return out;
}

Status DoCreateProtocol(control::Control& control, control::Call call,
                        const v1::CreateProtocolRequest& request, control::Done done) {
  control::CreateProtocolRequest wanted{
      .key = request.key(), .name = request.name(), .org = request.org()};
  auto encode = [](const control::CreatedProtocol& created) {
    v1::CreateProtocolResponse response;
    *response.mutable_protocol() = MessageOf(created.protocol, created.org);
    return Serialize(response);
  };
  control::Run(control, std::move(call), control::CreateProtocol, wanted, encode, std::move(done));
  return {};
}

Result<v1::ListProtocolsResponse> DoListProtocols(control::Control& control,
                                                  const control::Call& call,
                                                  const v1::ListProtocolsRequest& request) {
  ASSIGN_OR_RETURN(control::Page<control::ProtocolView> page,
                   control::Read(control, call, control::ListProtocols, ListOf(request)));
  v1::ListProtocolsResponse response;
  for (const control::ProtocolView& view : page.rows)
    *response.add_protocols() = MessageOf(view.protocol, view.org);
  response.set_next_page_token(page.next_page_token);
  return response;
}

Result<v1::ListProtocolVersionsResponse> DoListVersions(
    control::Control& control, const control::Call& call,
    const v1::ListProtocolVersionsRequest& request) {
  ASSIGN_OR_RETURN(control::Page<control::VersionView> page,
                   control::Read(control, call, control::ListVersions, ListOf(request)));
  v1::ListProtocolVersionsResponse response;
  for (const control::VersionView& view : page.rows) {
    const ProtocolVersion& version = view.row.version;
    v1::ProtocolVersion& out = *response.add_protocol_versions();
    out.set_id(version.id.ToString());
    out.set_protocol(view.row.protocol);
    out.set_protocol_id(version.protocol_id.ToString());
    out.set_variant(version.variant);
    out.set_semantic_version(version.semantic_version);
    out.set_build_count(view.build_count);
    *out.mutable_created_at() = ToMessage(version.created_at);
  }
  response.set_next_page_token(page.next_page_token);
  return response;
}

Result<control::ImageSpec> SpecOf(const std::string& field, const v1::ImageSpec& spec) {
  control::ImageSpec out;
  out.protocol = spec.protocol();
  out.variant = spec.variant();
  out.semantic_version = spec.semantic_version();
  out.uri = spec.image_uri();
  if (spec.has_committed_at()) {
    ASSIGN_OR_RETURN(const Time time, FromMessage(field + ".committed_at", spec.committed_at()));
    if (ToMicros(time) != 0) out.committed_at = time;
  }
  out.org = spec.org();
  out.minimum = FromMessage(spec.minimum());
  for (const v1::Property& property : spec.properties()) {
    out.properties.push_back({.key = property.key(),
                              .description = property.description(),
                              .default_value = property.default_value(),
                              .add = FromMessage(property.add()),
                              .secret = property.secret()});
  }
  ASSIGN_OR_RETURN(out.firewall_rules,
                   FromMessage(field + ".firewall_rules", spec.firewall_rules()));
  return out;
}

std::string EncodeImages(const control::CreatedImages& created) {
  v1::CreateImagesResponse response;
  int64_t skipped = 0;
  for (const control::CreatedItem& item : created.items) {
    v1::ImageResult& result = *response.add_results();
    result.set_id(item.id);
    result.set_reference(item.name);
    result.set_skipped(item.skipped);
    skipped += item.skipped ? 1 : 0;
  }
  response.set_skipped_count(skipped);
  response.set_created_count(static_cast<int64_t>(created.items.size()) - skipped);
  response.set_protocols_created_count(created.protocols_created);
  response.set_protocol_versions_created_count(created.versions_created);
  response.set_applied(created.applied);
  return Serialize(response);
}

Status DoCreateImages(control::Control& control, control::Call call,
                      const v1::CreateImagesRequest& request, control::Done done) {
  control::CreateImagesRequest wanted{.create_missing = request.create_missing(),
                                      .skip_existing = request.skip_existing(),
                                      .dry_run = request.dry_run()};
  for (int i = 0; i < request.images_size(); ++i) {
    ASSIGN_OR_RETURN(control::ImageSpec spec,
                     SpecOf(fmt::format("images[{}]", i), request.images(i)));
    wanted.images.push_back(std::move(spec));
  }
  control::Run(control, std::move(call), control::CreateImages, wanted, EncodeImages,
               std::move(done));
  return {};
}

Result<v1::GetImageResponse> DoGetImage(control::Control& control, const control::Call& call,
                                        const v1::GetImageRequest& request) {
  ASSIGN_OR_RETURN(control::ImageView view,
                   control::Read(control, call, control::GetImage, request.image()));
  v1::GetImageResponse response;
  *response.mutable_image() = MessageOf(view);
  return response;
}

Result<v1::ListImagesResponse> DoListImages(control::Control& control, const control::Call& call,
                                            const v1::ListImagesRequest& request) {
  ASSIGN_OR_RETURN(control::Page<control::ImageView> page,
                   control::Read(control, call, control::ListImages, ListOf(request)));
  v1::ListImagesResponse response;
  for (const control::ImageView& view : page.rows) *response.add_images() = MessageOf(view);
  response.set_next_page_token(page.next_page_token);
  return response;
}

}  // namespace

std::vector<Method> CatalogMethods() {
  return {
      WriteMethod<v1::CreateProtocolResponse>("tallyman.v1.CatalogService/CreateProtocol",
                                              DoCreateProtocol),
      ReadMethod("tallyman.v1.CatalogService/ListProtocols", DoListProtocols),
      ReadMethod("tallyman.v1.CatalogService/ListProtocolVersions", DoListVersions),
      WriteMethod<v1::CreateImagesResponse>("tallyman.v1.CatalogService/CreateImages",
                                            DoCreateImages),
      ReadMethod("tallyman.v1.CatalogService/GetImage", DoGetImage),
      ReadMethod("tallyman.v1.CatalogService/ListImages", DoListImages),
  };
}

}  // namespace tallyman::api
