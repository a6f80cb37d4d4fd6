// A small fleet for the contract suite: values whose books balance, and the change sets that make
// them. Keeps its own picture of the hosts, so that a test can break one number on purpose.
#pragma once

#include <map>
#include <string>

#include "base/clock.h"
#include "base/id_source.h"
#include "base/random.h"
#include "model/change_set.h"
#include "store/store.h"

namespace tallyman {

inline constexpr Resources kSmall = {2, 4'000, 10'000};
inline constexpr Resources kBig = {4, 16'000, 40'000};

class Fleet {
 public:
  explicit Fleet(uint64_t seed = 1);

  // The catalogue: org, region, protocol, version, two images.
  ChangeSet Catalogue() const;
  ChangeSet CreateHost(const std::string& name,
                       const Resources& capacity = {64, 1'000'000, 9'000'000});
  // The node, its config, its command, event and ledger entry, and the host's books.
  ChangeSet CreateNode(const std::string& name, const HostId& host, const Image& image);
  // A transition of a stored node to another image, with no hold.
  ChangeSet Upgrade(const Node& before, const Image& image);
  // Releases the node's resources and deletes it.
  ChangeSet Delete(const Node& before);

  NodeConfig Config(const Image& image);
  RequestRecord Request(const std::string& id) const;
  // In force, without expiry, for all orgs.
  Token MakeToken(const std::string& name, Role role = Role::kOperator);
  Time Tick();

  ManualClock clock;
  SeededRandom random;
  IdSource ids;
  Org org;
  Region region;
  Protocol protocol;
  ProtocolVersion version;
  Image small;
  Image big;
  std::map<HostId, Host> hosts;  // as of the last change set
  std::map<std::string, HostId> host_ids;

 private:
  // Moves the host's books and writes the entry.
  void Charge(ChangeSet& changes, const Node& node, LedgerKind kind, const Books& delta,
              const Resources& held_delta);
  Image MakeImage(int64_t build, const Resources& minimum);
};

Status Apply(store::Store& store, ChangeSet changes);

}  // namespace tallyman
