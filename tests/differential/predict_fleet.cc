// What operations on hosts, images and orgs, and repairs come to.
#include <fmt/core.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/id.h"
#include "tests/differential/host_work.h"

namespace tallyman {
namespace {

bool IsDigitOrLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

v1::CapacityPolicy PolicyMessage(const std::optional<CapacityPolicy>& policy) {
  if (!policy) return v1::CAPACITY_POLICY_DEFAULT;
  return *policy == CapacityPolicy::kWarn ? v1::CAPACITY_POLICY_WARN : v1::CAPACITY_POLICY_ENFORCE;
}

std::optional<CapacityPolicy> PolicyValue(v1::CapacityPolicy policy) {
  if (policy == v1::CAPACITY_POLICY_WARN) return CapacityPolicy::kWarn;
  if (policy == v1::CAPACITY_POLICY_ENFORCE) return CapacityPolicy::kEnforce;
  return std::nullopt;
}

void CheckCapacityAmounts(const Resources& capacity, Prediction& p) {
  bool fine = capacity.cpu_cores >= 1 && capacity.memory_bytes >= 1 && capacity.disk_bytes >= 1 &&
              capacity.cpu_cores <= 1'000'000 && capacity.memory_bytes <= 1024 * kTebi &&
              capacity.disk_bytes <= 1024 * 1024 * kTebi;
  if (!fine) p.Refuse("INVALID_CAPACITY");
}

v1::NodeState StateMessage(NodeState state) {
  switch (state) {
    case NodeState::kStarting:
      return v1::NODE_STATE_STARTING;
    case NodeState::kRunning:
      return v1::NODE_STATE_RUNNING;
    case NodeState::kStopped:
      return v1::NODE_STATE_STOPPED;
    case NodeState::kUpgrading:
      return v1::NODE_STATE_UPGRADING;
    case NodeState::kDeleting:
      return v1::NODE_STATE_DELETING;
    case NodeState::kDeleted:
      return v1::NODE_STATE_DELETED;
    case NodeState::kFailed:
      break;
  }
  return v1::NODE_STATE_FAILED;
}

v1::NextState NextMessage(const std::optional<NextState>& next) {
  if (!next) return v1::NEXT_STATE_UNSPECIFIED;
  switch (*next) {
    case NextState::kStarting:
      return v1::NEXT_STATE_STARTING;
    case NextState::kStopping:
      return v1::NEXT_STATE_STOPPING;
    case NextState::kRestarting:
      return v1::NEXT_STATE_RESTARTING;
    case NextState::kUpgrading:
      return v1::NEXT_STATE_UPGRADING;
    case NextState::kDeleting:
      break;
  }
  return v1::NEXT_STATE_DELETING;
}

bool HasSameContent(const PlainHost& host, const v1::HostSpec& spec, const PlainFleet& fleet) {
  const std::string* region = fleet.FindRegion(spec.region());
  return region != nullptr && *region == host.region && host.capacity == ValueOf(spec.capacity()) &&
         host.policy == PolicyValue(spec.capacity_policy());
}

void CheckImageSpec(Prediction& p, const v1::ImageSpec& spec) {
  if (!IsName(spec.protocol()) || !IsName(spec.variant())) p.Refuse("INVALID_NAME");
  if (spec.semantic_version().find_first_not_of("0123456789.") != std::string::npos)
    p.Refuse("INVALID_VERSION");
  if (spec.image_uri().empty()) p.Refuse("NO_IMAGE_URI");
  if (ValueOf(spec.minimum()).AnyNegative()) p.Refuse("NEGATIVE_AMOUNT");
  std::set<std::string> keys;
  for (const v1::Property& property : spec.properties()) {
    if (!keys.insert(property.key()).second) p.Refuse("DUPLICATE_PROPERTY");
    if (ValueOf(property.add()).AnyNegative()) p.Refuse("NEGATIVE_AMOUNT");
  }
}

bool SameContent(const PlainImage& a, const PlainImage& b) {
  auto same = [](const PlainProperty& x, const PlainProperty& y) {
    return x.default_value == y.default_value && x.add == y.add;
  };
  return a.org == b.org && a.minimum == b.minimum &&
         std::ranges::equal(a.properties, b.properties, [&](const auto& x, const auto& y) {
           return x.first == y.first && same(x.second, y.second);
         });
}

// One image of a request; the builds of its version are those before it.
void TakeImage(Prediction& p, const v1::CreateImagesRequest& request, int index,
               v1::CreateImagesResponse& response) {
  const v1::ImageSpec& spec = request.images(index);
  PlainFleet& fleet = p.after;
  PlainImage image;
  image.protocol = spec.protocol();
  image.variant = spec.variant();
  image.version = spec.semantic_version();
  image.minimum = ValueOf(spec.minimum());
  image.committed_at = spec.committed_at().seconds();
  for (const v1::Property& property : spec.properties())
    image.properties[property.key()] = {property.default_value(), ValueOf(property.add())};
  if (!spec.org().empty()) {
    const std::string* org = fleet.FindOrg(spec.org());
    if (org == nullptr) return p.Refuse("ORG_NOT_FOUND");
    image.org = *org;
  }
  if (!fleet.protocols.contains(image.protocol)) {
    if (!request.create_missing()) return p.Refuse("PROTOCOL_NOT_FOUND");
    fleet.protocols[image.protocol] = "";
    response.set_protocols_created_count(response.protocols_created_count() + 1);
  }
  image.protocol_org = fleet.protocols[image.protocol];
  bool version_is_new = true;
  for (const auto& other : fleet.images) {
    if (other->protocol != image.protocol || other->variant != image.variant ||
        other->version != image.version) {
      continue;
    }
    version_is_new = false;
    image.build = std::max(image.build, other->build + 1);
    if (other->committed_at == image.committed_at) {
      if (!request.skip_existing() || !SameContent(*other, image)) return p.Refuse("IMAGE_EXISTS");
      v1::ImageResult& result = *response.mutable_results(index);
      result.set_id(other->id);
      result.set_reference(other->Reference());
      result.set_skipped(true);
      response.set_skipped_count(response.skipped_count() + 1);
      return;
    }
    if (other->committed_at > image.committed_at) return p.Refuse("PUBLISHED_OUT_OF_ORDER");
  }
  if (version_is_new)
    response.set_protocol_versions_created_count(response.protocol_versions_created_count() + 1);
  response.mutable_results(index)->set_reference(image.Reference());
  response.set_created_count(response.created_count() + 1);
  fleet.images.push_back(std::make_shared<const PlainImage>(std::move(image)));
}

// The host's line of a repair: node fields and holds first, then the counters.
std::vector<v1::Drift> Mend(PlainFleet& fleet, PlainHost& host, Prediction& p) {
  std::vector<v1::Drift> drifts;
  for (PlainNode* node : fleet.LiveOn(host.name)) {
    size_t before = drifts.size();
    Resources hold = node->HoldNow();
    Differ(drifts, v1::DRIFT_KIND_NODE_FIELDS, host, node, node->fields, node->config->needs);
    Differ(drifts, v1::DRIFT_KIND_NODE_HOLD, host, node, node->held, hold);
    if (drifts.size() == before) continue;
    node->fields = node->config->needs;
    node->held = hold;
    ++node->version;
    p.nodes_touched.insert(node->id);
  }
  Books truth = fleet.SumOf(host.name);
  Resources held = fleet.HeldOf(host.name);
  Differ(drifts, v1::DRIFT_KIND_HOST_BOOKS, host, host.books, truth);
  Differ(drifts, v1::DRIFT_KIND_HOST_HOLD, host, nullptr, host.held, held);
  DifferInLedger(drifts, host, truth);
  if (drifts.empty()) return drifts;
  host.books = truth;
  host.held = held;
  host.Enter(Minus(truth, host.ledger_total), true);
  ++host.version;
  p.hosts_touched.insert(host.name);
  return drifts;
}

}  // namespace

bool IsName(const std::string& text) {
  return !text.empty() && text.size() <= 100 && IsDigitOrLetter(text[0]) &&
         std::ranges::all_of(
             text, [](char c) { return IsDigitOrLetter(c) || c == '.' || c == '_' || c == '-'; });
}

bool IsId(const std::string& text) { return Uuid::Parse(text).has_value(); }

bool MayOperate(const PlainCaller& caller, Prediction& p) {
  if (caller.role == Role::kAdmin || caller.role == Role::kOperator) return true;
  if (caller.role == Role::kViewer && p.dry_run) return true;
  p.Refuse("NOT_PERMITTED");
  return false;
}

bool MayAdminister(const PlainCaller& caller, Prediction& p) {
  if (caller.role == Role::kAdmin && caller.org.empty()) return true;
  p.Refuse("NOT_PERMITTED");
  return false;
}

std::shared_ptr<const PlainImage> FindImage(const PlainCaller& caller, const std::string& text,
                                            Prediction& p) {
  if (text.empty()) {
    p.Refuse("NO_IMAGE");
    return nullptr;
  }
  bool is_reference = text.find('/') != std::string::npos && text.find('@') != std::string::npos;
  if (!IsId(text) && !is_reference) {
    p.Refuse("INVALID_IMAGE_REFERENCE");
    return nullptr;
  }
  std::vector<std::shared_ptr<const PlainImage>> found;
  for (const auto& image : p.after.images) {
    if (!caller.org.empty() && !image->IsVisibleTo(caller.org)) continue;
    std::string reference = image->Reference();
    std::string version = reference.substr(0, reference.rfind('+'));
    if (image->id == text || reference == text || version == text) found.push_back(image);
  }
  if (found.size() == 1) return found.front();
  p.Refuse(found.empty() ? "IMAGE_NOT_FOUND" : "AMBIGUOUS_IMAGE");
  return nullptr;
}

Prediction PredictCreateHosts(const PlainFleet& fleet, const PlainCaller& caller,
                              const v1::CreateHostsRequest& request) {
  Prediction p(fleet);
  p.dry_run = request.dry_run();
  if (!MayAdminister(caller, p)) return p;
  if (request.hosts().empty()) p.Refuse("INVALID_BATCH");
  auto response = std::make_unique<v1::CreateHostsResponse>();
  std::set<std::string> names;
  for (const v1::HostSpec& spec : request.hosts()) {
    if (!IsName(spec.name()) || IsId(spec.name())) p.Refuse("INVALID_NAME");
    if (!names.insert(spec.name()).second) p.Refuse("DUPLICATE_HOST");
    CheckCapacityAmounts(ValueOf(spec.capacity()), p);
    v1::HostResult& result = *response->add_results();
    result.set_name(spec.name());
    auto existing = fleet.hosts.find(spec.name());
    if (existing != fleet.hosts.end()) {
      if (!request.skip_existing() || !HasSameContent(existing->second, spec, fleet))
        p.Refuse("HOST_NAME_TAKEN");
      result.set_id(existing->second.id);
      result.set_skipped(true);
      response->set_skipped_count(response->skipped_count() + 1);
      continue;
    }
    const std::string* region = fleet.FindRegion(spec.region());
    if (region == nullptr) {
      p.Refuse("REGION_NOT_FOUND");
      continue;
    }
    PlainHost& host = p.after.hosts[spec.name()];
    host.name = spec.name();
    host.region = *region;
    host.capacity = ValueOf(spec.capacity());
    host.policy = PolicyValue(spec.capacity_policy());
    response->set_created_count(response->created_count() + 1);
    p.hosts_touched.insert(host.name);
  }
  response->set_applied(!request.dry_run());
  p.answer = std::move(response);
  return p;
}

Prediction PredictUpdateHost(const PlainFleet& fleet, const PlainCaller& caller,
                             const v1::UpdateHostRequest& request) {
  Prediction p(fleet);
  p.dry_run = request.dry_run();
  p.token_given = request.plan_token();
  if (!MayAdminister(caller, p)) return p;
  bool sets_policy = request.capacity_policy() != v1::CAPACITY_POLICY_UNSPECIFIED;
  if (!request.has_capacity() && !sets_policy) p.Refuse("NOTHING_TO_UPDATE");
  if (request.has_capacity()) CheckCapacityAmounts(ValueOf(request.capacity()), p);
  PlainHost* host = p.after.FindHost(request.host());
  if (host == nullptr) p.Refuse("HOST_NOT_FOUND");
  if (!p.accepted()) return p;
  const PlainHost before = *host;
  if (request.expected_version() != 0 && request.expected_version() != before.version)
    p.Refuse("VERSION_MISMATCH");
  HostWork work(p);
  work.Open({host->name}, {}, p.dry_run || !p.token_given.empty());
  if (!p.accepted()) return p;
  if (request.has_capacity()) host->capacity = ValueOf(request.capacity());
  if (sets_policy) host->policy = PolicyValue(request.capacity_policy());
  host->version = before.version + 1;
  p.hosts_touched.insert(host->name);
  auto response = std::make_unique<v1::UpdateHostResponse>();
  *response->mutable_host() = HostMessage(p.after, *host);
  *response->mutable_capacity_before() = MessageOf(before.capacity);
  response->set_capacity_policy_before(PolicyMessage(before.policy));
  for (const v1::Warning& warning : OverCapacity(*host)) *response->add_warnings() = warning;
  v1::UpdateHostResponse plan = *response;
  plan.mutable_host()->clear_version();
  plan.mutable_host()->clear_ledger_seq();
  p.plan = plan.SerializeAsString() + MessageOf(before.books).SerializeAsString() +
           MessageOf(before.held).SerializeAsString();
  response->set_applied(!p.dry_run);
  p.answer = std::move(response);
  return p;
}

namespace {

// The host that a claim is about; nullptr and refusals when there is none to be had.
PlainHost* ClaimedHost(Prediction& p, const PlainCaller& caller, const std::string& name) {
  if (!caller.org.empty() || (caller.role != Role::kAdmin && caller.role != Role::kOperator))
    p.Refuse("NOT_PERMITTED");
  PlainHost* host = p.after.FindHost(name);
  if (host == nullptr) p.Refuse("HOST_NOT_FOUND");
  return p.accepted() ? host : nullptr;
}

template <class Response>
void AnswerClaim(Prediction& p, PlainHost& host, bool changed) {
  if (changed) {
    const int64_t version = host.version;
    HostWork work(p);
    work.Open({host.name}, {}, false);
    if (!p.accepted()) return;
    host.version = version + 1;
    p.hosts_touched.insert(host.name);
  }
  auto response = std::make_unique<Response>();
  *response->mutable_host() = HostMessage(p.after, host);
  AddClaims(host, *response->mutable_host());
  response->set_changed(changed);
  p.answer = std::move(response);
}

}  // namespace

Prediction PredictCordon(const PlainFleet& fleet, const PlainCaller& caller,
                         const v1::CordonHostRequest& request) {
  Prediction p(fleet);
  PlainHost* host = ClaimedHost(p, caller, request.host());
  if (host == nullptr) return p;
  const std::string owner = request.owner().empty() ? caller.id : request.owner();
  const bool changed = host->claims.try_emplace(owner, caller.id).second;
  AnswerClaim<v1::CordonHostResponse>(p, *host, changed);
  return p;
}

Prediction PredictUncordon(const PlainFleet& fleet, const PlainCaller& caller,
                           const v1::UncordonHostRequest& request) {
  Prediction p(fleet);
  PlainHost* host = ClaimedHost(p, caller, request.host());
  if (host == nullptr) return p;
  const bool changed =
      host->claims.erase(request.owner().empty() ? caller.id : request.owner()) == 1;
  if (!changed && !host->claims.empty()) p.Refuse("CLAIM_OF_ANOTHER");
  if (!p.accepted()) return p;
  AnswerClaim<v1::UncordonHostResponse>(p, *host, changed);
  return p;
}

Prediction PredictCreateImages(const PlainFleet& fleet, const PlainCaller& caller,
                               const v1::CreateImagesRequest& request) {
  Prediction p(fleet);
  p.dry_run = request.dry_run();
  if (!MayAdminister(caller, p)) return p;
  if (request.images().empty()) p.Refuse("INVALID_BATCH");
  auto response = std::make_unique<v1::CreateImagesResponse>();
  std::vector<int> order;
  for (int i = 0; i < request.images_size(); ++i) {
    order.push_back(i);
    response->add_results();
    CheckImageSpec(p, request.images(i));
  }
  // Builds are counted by publication.
  std::ranges::stable_sort(order, {},
                           [&](int i) { return request.images(i).committed_at().seconds(); });
  for (int i : order) TakeImage(p, request, i, *response);
  response->set_applied(!request.dry_run());
  p.answer = std::move(response);
  return p;
}

Prediction PredictCreateOrg(const PlainFleet& fleet, const PlainCaller& caller,
                            const v1::CreateOrgRequest& request) {
  Prediction p(fleet);
  if (!MayAdminister(caller, p)) return p;
  if (!IsName(request.name()) || IsId(request.name())) p.Refuse("INVALID_NAME");
  if (fleet.orgs.contains(request.name())) p.Refuse("ORG_NAME_TAKEN");
  if (!p.accepted()) return p;
  p.after.orgs[request.name()] = "";
  auto response = std::make_unique<v1::CreateOrgResponse>();
  response->mutable_org()->set_name(request.name());
  p.answer = std::move(response);
  return p;
}

Prediction PredictRepair(const PlainFleet& fleet, const PlainCaller& caller,
                         const v1::RepairDriftRequest& request) {
  Prediction p(fleet);
  p.dry_run = request.dry_run();
  p.token_given = request.plan_token();
  if (!MayAdminister(caller, p)) return p;
  std::vector<PlainHost*> hosts;
  for (auto& [name, host] : p.after.hosts) {
    if (request.hosts().empty()) hosts.push_back(&host);
  }
  for (const std::string& name : request.hosts()) {
    PlainHost* host = p.after.FindHost(name);
    if (host == nullptr) {
      p.Refuse("HOST_NOT_FOUND");
    } else if (std::ranges::find(hosts, host) == hosts.end()) {
      hosts.push_back(host);
    }
  }
  std::ranges::sort(hosts, {}, &PlainHost::id);
  auto response = std::make_unique<v1::RepairDriftResponse>();
  for (PlainHost* host : hosts) {
    std::vector<v1::Drift> drifts = Mend(p.after, *host, p);
    if (!drifts.empty()) response->set_host_count(response->host_count() + 1);
    for (v1::Drift& drift : drifts) {
      v1::Correction& correction = *response->add_corrections();
      *correction.mutable_drift() = std::move(drift);
      correction.set_ledger_seq(p.dry_run ? 0 : host->ledger_seq);
    }
  }
  v1::RepairDriftResponse plan = *response;
  for (v1::Correction& correction : *plan.mutable_corrections()) correction.clear_ledger_seq();
  p.plan = "repair" + plan.SerializeAsString();
  response->set_applied(!p.dry_run);
  p.answer = std::move(response);
  return p;
}

v1::Host HostMessage(const PlainFleet& fleet, const PlainHost& host) {
  v1::Host out;
  out.set_id(host.id);
  out.set_name(host.name);
  out.set_region(host.region);
  out.set_region_id(fleet.regions.at(host.region));
  *out.mutable_capacity() = MessageOf(host.capacity);
  out.set_capacity_policy(PolicyMessage(host.policy));
  *out.mutable_books() = MessageOf(host.books);
  *out.mutable_held() = MessageOf(host.held);
  *out.mutable_free() = MessageOf(host.Free());
  out.set_ledger_seq(host.ledger_seq);
  out.set_version(host.version);
  for (const v1::Warning& warning : OverCapacity(host)) *out.add_warnings() = warning;
  out.set_liveness(host.silent  ? v1::LIVENESS_SILENT
                   : host.heard ? v1::LIVENESS_LIVE
                                : v1::LIVENESS_NEVER_HEARD);
  if (host.silent) out.mutable_silent_since()->set_seconds(kHeardAtSeconds);
  out.set_cordoned(!host.claims.empty());
  return out;
}

void AddClaims(const PlainHost& host, v1::Host& out) {
  for (const auto& [owner, created_by] : host.claims) {
    v1::HostClaim& claim = *out.add_claims();
    claim.set_owner(owner);
    claim.set_kind(v1::CLAIM_KIND_CORDON);
    claim.set_created_by(created_by);
  }
}

v1::Node NodeMessage(const PlainFleet& fleet, const PlainNode& node) {
  const PlainHost& host = fleet.hosts.at(node.host);
  const PlainImage& image = *node.config->image;
  v1::Node out;
  out.set_id(node.id);
  out.set_name(node.name);
  out.set_org(node.org);
  out.set_org_id(fleet.orgs.at(node.org));
  out.set_host(node.host);
  out.set_host_id(host.id);
  out.set_region(host.region);
  out.set_region_id(fleet.regions.at(host.region));
  if (host.silent) out.mutable_host_silent_since()->set_seconds(kHeardAtSeconds);
  out.set_image(image.Reference());
  out.set_image_id(image.id);
  out.set_protocol(image.protocol);
  out.set_variant(image.variant);
  out.set_semantic_version(image.version);
  out.set_auto_upgrade(node.auto_upgrade);
  out.set_node_state(StateMessage(node.state));
  out.set_next_state(NextMessage(node.next));
  *out.mutable_resources() = MessageOf(node.fields);
  *out.mutable_held() = MessageOf(node.held);
  out.set_config_id(node.config->id);
  v1::NodeConfig& config = *out.mutable_config();
  config.set_id(node.config->id);
  config.set_image(image.Reference());
  config.set_image_id(image.id);
  for (const auto& [key, value] : node.config->values) (*config.mutable_values())[key] = value;
  *config.mutable_resources() = MessageOf(node.config->needs);
  if (node.running != nullptr) {
    out.set_running_config_id(node.running->id);
    out.set_running_image(node.running->image->Reference());
  }
  out.set_version(node.version);
  return out;
}

}  // namespace tallyman
