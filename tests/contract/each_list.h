// All lists of a store, so that a test can go over them.
#pragma once

#include "store/store.h"

namespace tallyman {

struct NamedListing {
  Listing listing;
  const char* name;
};
inline constexpr NamedListing kAllListings[] = {
    {Listing::kOrgs, "orgs"},         {Listing::kRegions, "regions"},
    {Listing::kHosts, "hosts"},       {Listing::kProtocols, "protocols"},
    {Listing::kVersions, "versions"}, {Listing::kImages, "images"},
    {Listing::kNodes, "nodes"},       {Listing::kCommands, "commands"},
    {Listing::kEvents, "events"},     {Listing::kTokens, "tokens"},
    {Listing::kRequests, "requests"}};

// What `use` makes of the rows, whose type is that of the list.
template <class Use>
auto ReadListing(ReadTx& tx, Listing listing, const ListQuery& query, const Use& use) {
  switch (listing) {
    case Listing::kOrgs:
      return use(tx.ListOrgs(query));
    case Listing::kRegions:
      return use(tx.ListRegions(query));
    case Listing::kHosts:
      return use(tx.ListHosts(query));
    case Listing::kProtocols:
      return use(tx.ListProtocols(query));
    case Listing::kVersions:
      return use(tx.ListVersions(query));
    case Listing::kImages:
      return use(tx.ListImages(query));
    case Listing::kNodes:
      return use(tx.ListNodes(query));
    case Listing::kCommands:
      return use(tx.ListCommands(query));
    case Listing::kEvents:
      return use(tx.ListEvents(query));
    case Listing::kTokens:
      return use(tx.ListTokens(query));
    case Listing::kRequests:
      break;
  }
  return use(tx.ListRequests(query));
}

}  // namespace tallyman
