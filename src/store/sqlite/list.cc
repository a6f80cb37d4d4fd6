// Lists: the columns of each listing as rows.
#include "store/sqlite/list_sql.h"
#include "store/sqlite/rows.h"
#include "store/sqlite/transaction.h"

namespace tallyman {
namespace {

// `read` takes the listing's columns of the current row.
template <class Row, class Reader>
Result<std::vector<Row>> ReadList(SqliteConnection& connection, Listing listing,
                                  const ListQuery& wanted, const Reader& read) {
  ASSIGN_OR_RETURN(PreparedList list, PrepareList(connection, listing, wanted));
  std::vector<Row> rows;
  while (true) {
    ASSIGN_OR_RETURN(bool more, list.query.Next());
    if (!more) return rows;
    Row& row = rows.emplace_back();
    RETURN_IF_ERROR(read(list.query, row));
    RETURN_IF_ERROR(ReadCursor(list, row.cursor));
  }
}

}  // namespace

Result<std::vector<OrgRow>> SqliteTransaction::ListOrgs(const ListQuery& query) {
  RETURN_IF_ERROR(CheckReadable());
  return ReadList<OrgRow>(connection_, Listing::kOrgs, query,
                          [](SqliteQuery& from, OrgRow& row) { return from.Read(row.org); });
}

Result<std::vector<RegionRow>> SqliteTransaction::ListRegions(const ListQuery& query) {
  RETURN_IF_ERROR(CheckReadable());
  return ReadList<RegionRow>(
      connection_, Listing::kRegions, query,
      [](SqliteQuery& from, RegionRow& row) { return from.Read(row.region); });
}

Result<std::vector<HostRow>> SqliteTransaction::ListHosts(const ListQuery& query) {
  RETURN_IF_ERROR(CheckReadable());
  return ReadList<HostRow>(
      connection_, Listing::kHosts, query,
      [](SqliteQuery& from, HostRow& row) { return from.Read(row.host, row.region); });
}

Result<std::vector<ProtocolRow>> SqliteTransaction::ListProtocols(const ListQuery& query) {
  RETURN_IF_ERROR(CheckReadable());
  return ReadList<ProtocolRow>(
      connection_, Listing::kProtocols, query,
      [](SqliteQuery& from, ProtocolRow& row) { return from.Read(row.protocol); });
}

Result<std::vector<VersionRow>> SqliteTransaction::ListVersions(const ListQuery& query) {
  RETURN_IF_ERROR(CheckReadable());
  return ReadList<VersionRow>(
      connection_, Listing::kVersions, query,
      [](SqliteQuery& from, VersionRow& row) { return from.Read(row.version, row.protocol); });
}

Result<std::vector<ImageRow>> SqliteTransaction::ListImages(const ListQuery& query) {
  RETURN_IF_ERROR(CheckReadable());
  return ReadList<ImageRow>(connection_, Listing::kImages, query,
                            [this](SqliteQuery& from, ImageRow& row) -> Status {
                              ImageId id;
                              RETURN_IF_ERROR(from.Read(id));
                              ASSIGN_OR_RETURN(row.image, images_.Get(connection_, id));
                              return {};
                            });
}

Result<std::vector<NodeRow>> SqliteTransaction::ListNodes(const ListQuery& query) {
  RETURN_IF_ERROR(CheckReadable());
  return ReadList<NodeRow>(
      connection_, Listing::kNodes, query, [this](SqliteQuery& from, NodeRow& row) -> Status {
        RETURN_IF_ERROR(from.Read(row.node, row.org, row.host, row.region, row.region_id));
        ASSIGN_OR_RETURN(row.image, ImageName(row.node.image_id));
        return {};
      });
}

Result<std::vector<CommandRow>> SqliteTransaction::ListCommands(const ListQuery& query) {
  RETURN_IF_ERROR(CheckReadable());
  return ReadList<CommandRow>(connection_, Listing::kCommands, query,
                              [](SqliteQuery& from, CommandRow& row) {
                                return from.Read(row.command, row.node, row.host);
                              });
}

Result<std::vector<EventRow>> SqliteTransaction::ListEvents(const ListQuery& query) {
  RETURN_IF_ERROR(CheckReadable());
  return ReadList<EventRow>(connection_, Listing::kEvents, query,
                            [](SqliteQuery& from, EventRow& row) {
                              return from.Read(row.event, row.org, row.host, row.node);
                            });
}

Result<std::vector<TokenRow>> SqliteTransaction::ListTokens(const ListQuery& query) {
  RETURN_IF_ERROR(CheckReadable());
  return ReadList<TokenRow>(
      connection_, Listing::kTokens, query,
      [](SqliteQuery& from, TokenRow& row) { return from.Read(row.token, row.org, row.host); });
}

Result<std::vector<RequestRow>> SqliteTransaction::ListRequests(const ListQuery& query) {
  RETURN_IF_ERROR(CheckReadable());
  return ReadList<RequestRow>(
      connection_, Listing::kRequests, query,
      [](SqliteQuery& from, RequestRow& row) { return from.Read(row.record, row.org); });
}

}  // namespace tallyman
