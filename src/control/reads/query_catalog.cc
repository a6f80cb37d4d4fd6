#include "control/reads/query_tools.h"

namespace tallyman::control {
namespace {

bool SeesImage(const Actor& actor, const Image& image) {
  return !actor.org_id || IsVisibleTo(image, *actor.org_id);
}

Result<VersionView> ViewOf(store::ReadTx& tx, const Actor& actor, store::VersionRow row) {
  VersionView view;
  ASSIGN_OR_RETURN(auto builds,
                   tx.FindBuilds(row.protocol, row.version.variant, row.version.semantic_version));
  for (const auto& image : builds) view.build_count += SeesImage(actor, *image) ? 1 : 0;
  view.row = std::move(row);
  return view;
}

}  // namespace

Result<Page<ProtocolView>> ListProtocols(const Authorized& by, store::ReadTx& tx,
                                         const ListRequest& request) {
  ASSIGN_OR_RETURN(store::ListQuery query,
                   PrepareList(tx, by.actor(), store::Listing::kProtocols, request));
  ASSIGN_OR_RETURN(auto rows, ReadPage<store::ProtocolRow>(
                                  store::Listing::kProtocols, request, std::move(query),
                                  [&](const store::ListQuery& q) { return tx.ListProtocols(q); },
                                  [&](const store::ProtocolRow& row) {
                                    return Sees(by.actor(), row.protocol.org_id);
                                  }));
  Page<ProtocolView> page{.next_page_token = std::move(rows.next_page_token)};
  Names names(tx);
  for (store::ProtocolRow& row : rows.rows) {
    ASSIGN_OR_RETURN(std::string org, names.OrgName(row.protocol.org_id));
    page.rows.push_back({std::move(row.protocol), std::move(org)});
  }
  return page;
}

Result<Page<VersionView>> ListVersions(const Authorized& by, store::ReadTx& tx,
                                       const ListRequest& request) {
  ASSIGN_OR_RETURN(store::ListQuery query,
                   PrepareList(tx, by.actor(), store::Listing::kVersions, request));
  // A version is seen when it and its protocol are; the row carries the protocol's key only.
  std::map<ProtocolId, bool> seen;
  auto sees = [&](const store::VersionRow& row) {
    if (!by.actor().org_id) return true;
    auto [known, is_new] = seen.try_emplace(row.version.protocol_id, false);
    if (is_new) {
      auto protocol = tx.FindProtocol(row.version.protocol_id.ToString());
      known->second = protocol && *protocol && Sees(by.actor(), (*protocol)->org_id);
    }
    return known->second && Sees(by.actor(), row.version.org_id);
  };
  ASSIGN_OR_RETURN(auto rows,
                   ReadPage<store::VersionRow>(
                       store::Listing::kVersions, request, std::move(query),
                       [&](const store::ListQuery& q) { return tx.ListVersions(q); }, sees));
  Page<VersionView> page{.next_page_token = std::move(rows.next_page_token)};
  for (store::VersionRow& row : rows.rows) {
    ASSIGN_OR_RETURN(VersionView view, ViewOf(tx, by.actor(), std::move(row)));
    page.rows.push_back(std::move(view));
  }
  return page;
}

Result<ImageView> GetImage(const Authorized& by, store::ReadTx& tx,
                           const std::string& reference_or_id) {
  ImageView view;
  ASSIGN_OR_RETURN(view.image, ResolveImage(tx, by.actor(), reference_or_id));
  ASSIGN_OR_RETURN(view.org, Names(tx).OrgName(view.image->org_id));
  return view;
}

Result<Page<ImageView>> ListImages(const Authorized& by, store::ReadTx& tx,
                                   const ListRequest& request) {
  ASSIGN_OR_RETURN(store::ListQuery query,
                   PrepareList(tx, by.actor(), store::Listing::kImages, request));
  ASSIGN_OR_RETURN(auto rows, ReadPage<store::ImageRow>(
                                  store::Listing::kImages, request, std::move(query),
                                  [&](const store::ListQuery& q) { return tx.ListImages(q); },
                                  [&](const store::ImageRow& row) {
                                    return SeesImage(by.actor(), *row.image);
                                  }));
  Page<ImageView> page{.next_page_token = std::move(rows.next_page_token)};
  Names names(tx);
  for (store::ImageRow& row : rows.rows) {
    ASSIGN_OR_RETURN(std::string org, names.OrgName(row.image->org_id));
    page.rows.push_back({std::move(row.image), std::move(org)});
  }
  return page;
}

}  // namespace tallyman::control
