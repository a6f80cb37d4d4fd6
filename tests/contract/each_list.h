// All lists of a store, so that a test can go over them.
#pragma once

#include "store/store.h"

namespace tallyman {

struct NamedListing {
  store::Listing listing;
  const char* name;
};
inline constexpr NamedListing kAllListings[] = {{store::Listing::kOrgs, "orgs"},
                                                {store::Listing::kRegions, "regions"},
                                                {store::Listing::kHosts, "hosts"},
                                                {store::Listing::kProtocols, "protocols"},
                                                {store::Listing::kVersions, "versions"},
                                                {store::Listing::kImages, "images"},
                                                {store::Listing::kNodes, "nodes"},
                                                {store::Listing::kCommands, "commands"},
                                                {store::Listing::kEvents, "events"},
                                                {store::Listing::kTokens, "tokens"},
                                                {store::Listing::kRequests, "requests"},
                                                {store::Listing::kRollouts, "rollouts"},
                                                {store::Listing::kRolloutNodes, "rollout_nodes"},
                                                {store::Listing::kPolicies, "policies"}};

// What `use` makes of the rows, whose type is that of the list.
template <class Use>
auto ReadListing(store::ReadTx& tx, store::Listing listing, const store::ListQuery& query,
                 const Use& use) {
  switch (listing) {
    case store::Listing::kOrgs:
      return use(tx.ListOrgs(query));
    case store::Listing::kRegions:
      return use(tx.ListRegions(query));
    case store::Listing::kHosts:
      return use(tx.ListHosts(query));
    case store::Listing::kProtocols:
      return use(tx.ListProtocols(query));
    case store::Listing::kVersions:
      return use(tx.ListVersions(query));
    case store::Listing::kImages:
      return use(tx.ListImages(query));
    case store::Listing::kNodes:
      return use(tx.ListNodes(query));
    case store::Listing::kCommands:
      return use(tx.ListCommands(query));
    case store::Listing::kEvents:
      return use(tx.ListEvents(query));
    case store::Listing::kTokens:
      return use(tx.ListTokens(query));
    case store::Listing::kRequests:
      return use(tx.ListRequests(query));
    case store::Listing::kRollouts:
      return use(tx.ListRollouts(query));
    case store::Listing::kRolloutNodes:
      return use(tx.ListRolloutNodes(query));
    case store::Listing::kPolicies:
      break;
  }
  return use(tx.ListPolicies(query));
}

}  // namespace tallyman
