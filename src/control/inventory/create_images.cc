// Publishing images. The builds of a version are numbered in the order of their committed_at; an
// image's key is protocol, variant, version and committed_at.
#include <algorithm>
#include <map>

#include "base/semver.h"
#include "base/text.h"
#include "base/time.h"
#include "control/inventory/batch.h"
#include "control/inventory/inventory.h"
#include "control/new_event.h"
#include "control/reads/resolve.h"
#include "model/firewall.h"

namespace tallyman::control {
namespace {

Status CheckAmounts(std::string_view what, const Resources& amounts) {
  for (Dimension d : kDimensions) {
    if (amounts.get(d) >= 0) continue;
    return Fail(InvalidArgument("NEGATIVE_AMOUNT", fmt::format("{}.{} is {}: amounts are 0 or more",
                                                               what, ToText(d), amounts.get(d)))
                    .With("field", fmt::format("{}.{}", what, ToText(d)))
                    .With("value", std::to_string(amounts.get(d))));
  }
  return {};
}

Status CheckProperties(const std::vector<Property>& properties) {
  std::vector<std::string_view> keys;
  for (const Property& property : properties) {
    RETURN_IF_ERROR(CheckName("properties.key", property.key));
    RETURN_IF_ERROR(CheckText("properties.default_value", property.default_value, 16 * 1024));
    RETURN_IF_ERROR(CheckText("properties.description", property.description, 4096));
    RETURN_IF_ERROR(CheckAmounts("properties.add", property.add));
    if (property.secret && !property.default_value.empty()) {
      return Fail(InvalidArgument("SECRET_WITH_DEFAULT",
                                  fmt::format("property {} is secret and has a default, which "
                                              "everybody who sees the image could read: leave the "
                                              "default out",
                                              property.key))
                      .With("field", "properties.default_value"));
    }
    if (std::ranges::find(keys, property.key) != keys.end()) {
      return Fail(InvalidArgument("DUPLICATE_PROPERTY",
                                  fmt::format("property {} is given twice", property.key))
                      .With("field", "properties.key"));
    }
    keys.push_back(property.key);
  }
  return {};
}

Status CheckImage(const ImageSpec& spec) {
  RETURN_IF_ERROR(CheckName("protocol", spec.protocol));
  RETURN_IF_ERROR(CheckName("variant", spec.variant));
  if (!SemVer::Parse(spec.semantic_version)) {
    return Fail(
        InvalidArgument("INVALID_VERSION",
                        fmt::format("semantic_version is {}: write it as 1.2.3 or 1.2.3-rc.1",
                                    Quote(spec.semantic_version)))
            .With("field", "semantic_version")
            .With("value", Quote(spec.semantic_version)));
  }
  if (spec.uri.empty()) {
    return Fail(
        InvalidArgument("NO_IMAGE_URI", "image_uri is empty: say where hosts find the image")
            .With("field", "image_uri"));
  }
  RETURN_IF_ERROR(CheckText("image_uri", spec.uri, 1024));
  RETURN_IF_ERROR(CheckAmounts("minimum", spec.minimum));
  RETURN_IF_ERROR(CheckProperties(spec.properties));
  return CheckFirewallRules("firewall_rules", spec.firewall_rules);
}

std::string FieldOf(const Error& error) {
  std::string_view field = error.Fact("field");
  return std::string(field.empty() ? "image" : field);
}

// The first field in which the two differ; "" when none.
std::string ImageDifference(const Image& image, const ImageSpec& spec,
                            const std::optional<OrgId>& org) {
  for (Dimension d : kDimensions) {
    if (image.minimum.get(d) != spec.minimum.get(d)) return "minimum." + std::string(ToText(d));
  }
  if (image.uri != spec.uri) return "image_uri";
  if (image.org_id != org) return "org";
  if (image.properties != spec.properties) return "properties";
  return image.firewall_rules == spec.firewall_rules ? "" : "firewall_rules";
}

class ImageBatch {
 public:
  ImageBatch(const Authorized& by, const CreateImagesRequest& request)
      : by_(by), ids_(by.control().ids()), request_(request), cause_(by.cause()) {}

  Result<Decided<CreatedImages>> Decide(store::ReadTx& tx) {
    decision_.answer.items.resize(request_.images.size());
    // Builds are counted by publication, whatever the order of the request.
    std::vector<size_t> order(request_.images.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::ranges::stable_sort(
        order, {}, [&](size_t i) { return request_.images[i].committed_at.value_or(cause_.now); });
    for (size_t index : order) {
      Status status = Take(tx, index);
      if (!status) {
        std::string field = FieldOf(status.error());
        return Fail(InItem(std::move(status.error()), "images", index, field));
      }
    }
    return std::move(decision_);
  }

 private:
  struct Version {
    ProtocolVersion row;
    std::vector<std::shared_ptr<const Image>> builds;
  };

  Status Take(store::ReadTx& tx, size_t index) {
    ImageSpec spec = request_.images[index];
    std::ranges::sort(spec.properties, {}, &Property::key);
    std::ranges::sort(spec.firewall_rules, {}, &FirewallRule::key);
    const bool is_undated = !spec.committed_at;
    const Time committed_at = spec.committed_at.value_or(cause_.now);
    spec.committed_at = committed_at;
    std::optional<OrgId> org;
    if (!spec.org.empty()) {
      ASSIGN_OR_RETURN(Org row, ResolveOrg(tx, by_.actor(), spec.org));
      org = row.id;
    }
    ASSIGN_OR_RETURN(Protocol * protocol, ProtocolOf(tx, spec));
    ASSIGN_OR_RETURN(Version * version, VersionOf(tx, *protocol, spec));
    for (const auto& image : version->builds) {
      if (image->committed_at == committed_at) return Meet(*image, spec, org, index);
    }
    // Otherwise, of two that publish the same at the same time, the second makes another build.
    if (is_undated && request_.skip_existing && !version->builds.empty() &&
        ImageDifference(*version->builds.back(), spec, org).empty())
      return Meet(*version->builds.back(), spec, org, index);
    if (!version->builds.empty() && version->builds.back()->committed_at > committed_at) {
      return Fail(
          InvalidArgument("PUBLISHED_OUT_OF_ORDER",
                          fmt::format("{} was committed at {}, before the existing build {}: "
                                      "builds are numbered in the order of their publication",
                                      version->builds.back()->Reference(), FormatTime(committed_at),
                                      version->builds.back()->build))
              .With("field", "committed_at"));
    }
    Add(*protocol, *version, std::move(spec), org, index);
    return {};
  }

  // An image of the same key is there.
  Status Meet(const Image& image, const ImageSpec& spec, const std::optional<OrgId>& org,
              size_t index) {
    std::string difference = ImageDifference(image, spec, org);
    if (request_.skip_existing && difference.empty()) {
      decision_.answer.items[index] = {image.id.ToString(), image.Reference(), true};
      return {};
    }
    std::string what = difference.empty() ? "with the same content" : "with another " + difference;
    return Fail(AlreadyExists("IMAGE_EXISTS",
                              fmt::format("image {} committed at {} exists already, {}: images "
                                          "never change, publish a new build",
                                          image.Reference(), FormatTime(image.committed_at), what))
                    .About("image " + image.Reference())
                    .With("field", difference.empty() ? "committed_at" : difference));
  }

  void Add(const Protocol& protocol, Version& version, ImageSpec spec,
           const std::optional<OrgId>& org, size_t index) {
    Image image;
    image.id = ids_.New<ImageId>();
    image.protocol = protocol;
    image.version = version.row;
    image.build = version.builds.empty() ? 1 : version.builds.back()->build + 1;
    image.org_id = org;
    image.uri = std::move(spec.uri);
    image.minimum = spec.minimum;
    image.properties = std::move(spec.properties);
    image.firewall_rules = std::move(spec.firewall_rules);
    image.committed_at = *spec.committed_at;
    image.created_at = cause_.now;
    Event event =
        NewEvent(cause_, EventKind::kImageCreated, Detail({{"image", image.Reference()}}));
    event.org_id = org;
    decision_.rows.events.push_back(std::move(event));
    decision_.answer.items[index] = {image.id.ToString(), image.Reference(), false};
    version.builds.push_back(std::make_shared<const Image>(image));
    decision_.rows.new_images.push_back(std::move(image));
  }

  Result<Protocol*> ProtocolOf(store::ReadTx& tx, const ImageSpec& spec) {
    auto known = protocols_.find(spec.protocol);
    if (known != protocols_.end()) return &known->second;
    auto found = ResolveProtocol(tx, by_.actor(), spec.protocol);
    if (!found && request_.create_missing && found.error().code == Code::kNotFound) {
      Protocol protocol{ids_.New<ProtocolId>(), spec.protocol, spec.protocol, {}, cause_.now};
      decision_.rows.new_protocols.push_back(protocol);
      ++decision_.answer.protocols_created;
      found = protocol;
    }
    if (!found) return Fail(std::move(found.error()).With("field", "protocol"));
    return &protocols_.emplace(spec.protocol, *std::move(found)).first->second;
  }

  Result<Version*> VersionOf(store::ReadTx& tx, const Protocol& protocol, const ImageSpec& spec) {
    std::string key = fmt::format("{}/{}@{}", protocol.key, spec.variant, spec.semantic_version);
    auto known = versions_.find(key);
    if (known != versions_.end()) return &known->second;
    Version version;
    ASSIGN_OR_RETURN(auto found, tx.FindVersion(protocol.id, spec.variant, spec.semantic_version));
    if (found) {
      version.row = *std::move(found);
      ASSIGN_OR_RETURN(version.builds,
                       tx.FindBuilds(protocol.key, spec.variant, spec.semantic_version));
    } else {
      version.row = {ids_.New<ProtocolVersionId>(), protocol.id,     spec.variant,
                     spec.semantic_version,         protocol.org_id, cause_.now};
      decision_.rows.new_versions.push_back(version.row);
      ++decision_.answer.versions_created;
    }
    return &versions_.emplace(std::move(key), std::move(version)).first->second;
  }

  const Authorized& by_;
  IdSource& ids_;
  const CreateImagesRequest& request_;
  planner::Cause cause_;
  std::map<std::string, Protocol> protocols_;
  std::map<std::string, Version> versions_;
  Decided<CreatedImages> decision_;
};

Status CheckImages(const std::vector<ImageSpec>& images) {
  RETURN_IF_ERROR(CheckBatch("images", images.size()));
  for (size_t i = 0; i < images.size(); ++i) {
    Status status = CheckImage(images[i]);
    if (status) continue;
    std::string field = FieldOf(status.error());
    return Fail(InItem(std::move(status.error()), "images", i, field));
  }
  return {};
}

}  // namespace

void CreatedImages::ForgetNewIds() {
  for (CreatedItem& item : items)
    if (!item.skipped) item.id.clear();
}

Result<Proposal<CreatedImages>> CreateImages(const Authorized&,
                                             const CreateImagesRequest& request) {
  RETURN_IF_ERROR(CheckImages(request.images));
  auto decide = [request](const Authorized& by, const store::Snapshot&, store::ReadTx& tx) {
    return ImageBatch(by, request).Decide(tx);
  };
  return Proposal<CreatedImages>{.solo = true,
                                 .rows = std::ssize(request.images),
                                 .plan = {.dry_run = request.dry_run},
                                 .decide = std::move(decide)};
}

}  // namespace tallyman::control
