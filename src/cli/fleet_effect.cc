#include "cli/fleet_effect.h"

#include <algorithm>
#include <map>
#include <string>
#include <tuple>

#include "cli/format.h"

namespace tallyman::cli {
namespace {

using google::protobuf::Message;

void AddTo(v1::Resources& sum, const v1::Resources& more) {
  for (const DimensionView& d : kDimensionViews) (sum.*d.set)((sum.*d.get)() + (more.*d.get)());
}

class Effect {
 public:
  void Add(const Message& answer) {
    const auto& reflection = *answer.GetReflection();
    const auto* type = answer.GetDescriptor();
    if (const auto* field = type->FindFieldByName("changes"))
      return Add(static_cast<const v1::Changes&>(reflection.GetMessage(answer, field)));
    const auto* warnings = type->FindFieldByName("warnings");
    if (warnings == nullptr) return;
    for (int i = 0; i < reflection.FieldSize(answer, warnings); ++i)
      Add(static_cast<const v1::Warning&>(reflection.GetRepeatedMessage(answer, warnings, i)));
  }

  v1::Changes Take() {
    std::ranges::sort(*all_.mutable_hosts(), {}, [](const auto& host) { return host.host(); });
    return std::move(all_);
  }

 private:
  void Add(const v1::Changes& changes) {
    for (const v1::NodeChange& node : changes.nodes()) Add(node);
    for (const v1::HostChange& host : changes.hosts()) Add(host);
    for (const v1::Warning& warning : changes.warnings()) Add(warning);
  }

  void Add(const v1::NodeChange& node) {
    const auto [at, is_new] = nodes_.try_emplace(node.node(), all_.nodes_size());
    if (is_new) {
      *all_.add_nodes() = node;
      return;
    }
    v1::NodeChange& row = *all_.mutable_nodes(at->second);
    const v1::NodeChange before = row;
    row = node;
    row.set_from_org(before.from_org().empty() ? node.from_org() : before.from_org());
    row.set_from_image(before.from_image());
    row.set_from_config_id(before.from_config_id());
    *row.mutable_before() = before.before();
    *row.mutable_difference() = before.difference();
    AddTo(*row.mutable_difference(), node.difference());
  }

  void Add(const v1::HostChange& host) {
    const auto [at, is_new] = hosts_.try_emplace(host.host(), all_.hosts_size());
    if (is_new) {
      *all_.add_hosts() = host;
      return;
    }
    v1::HostChange& row = *all_.mutable_hosts(at->second);
    const v1::HostChange before = row;
    row = host;
    *row.mutable_books_before() = before.books_before();
    *row.mutable_held_before() = before.held_before();
    v1::Books& difference = *row.mutable_difference();
    difference.set_node_count(difference.node_count() + before.difference().node_count());
    AddTo(*difference.mutable_allocated(), before.difference().allocated());
    *row.mutable_corrections() = before.corrections();
    row.mutable_corrections()->MergeFrom(host.corrections());
  }

  void Add(const v1::Warning& warning) {
    const auto [at, is_new] = warnings_.try_emplace(
        std::tuple(warning.reason(), warning.host(), warning.node(), warning.dimension()),
        all_.warnings_size());
    *(is_new ? all_.add_warnings() : all_.mutable_warnings(at->second)) = warning;
  }

  v1::Changes all_;
  std::map<std::string, int> nodes_;
  std::map<std::string, int> hosts_;
  std::map<std::tuple<std::string, std::string, std::string, std::string>, int> warnings_;
};

}  // namespace

v1::Changes EffectOf(const v1::ApplyFleetResponse& response) {
  Effect effect;
  for (const v1::FleetStepResult& result : response.results()) {
    const auto& reflection = *result.GetReflection();
    const auto* field =
        reflection.GetOneofFieldDescriptor(result, result.GetDescriptor()->oneof_decl(0));
    if (field != nullptr) effect.Add(reflection.GetMessage(result, field));
  }
  v1::Changes all = effect.Take();
  all.set_plan_token(response.plan_token());
  all.set_applied(response.applied());
  return all;
}

}  // namespace tallyman::cli
