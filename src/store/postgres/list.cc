// Lists: the columns of each listing as rows.
#include "store/postgres/list_sql.h"
#include "store/postgres/rows.h"
#include "store/postgres/transaction.h"

namespace tallyman {
namespace {

// The horizon has to be older than the snapshot that the events are read from.
constexpr char kSetHorizon[] =
    "SELECT set_config('tallyman.event_horizon', tallyman_event_horizon()::text, false)";
constexpr char kCommit[] = "COMMIT";
constexpr char kBeginRead[] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

}  // namespace

template <class Row, class Reader>
Result<std::vector<Row>> PgTransaction::ReadList(Listing listing, const ListQuery& wanted,
                                                 const Reader& read) {
  ASSIGN_OR_RETURN(PgListSql list, MakeListSql(listing, wanted));
  PgBatch batch;
  if (IsByCursor(listing, wanted)) AddHorizon(batch);
  batch.AddOnce(std::move(list.sql), std::move(list.params));
  ASSIGN_OR_RETURN(std::vector<PgResult> results, Run(std::move(batch)));
  const PgResult& result = results.back();
  std::vector<Row> rows(static_cast<size_t>(result.rows()));
  for (int i = 0; i < result.rows(); ++i) {
    PgRow from = result.row(i);
    Row& row = rows[static_cast<size_t>(i)];
    RETURN_IF_ERROR(read(from, row));
    RETURN_IF_ERROR(ReadListCursor(from, list, row.cursor));
  }
  return rows;
}

// A transaction that writes sees in each statement what was committed before it; one that only
// reads has to begin behind the horizon.
void PgTransaction::AddHorizon(PgBatch& batch) {
  if (access_ == PgAccess::kWrite) {
    batch.Add(kSetHorizon);
    return;
  }
  if (begun_) batch.Add(kCommit);
  batch.Add(kSetHorizon);
  batch.EndImplicitTransaction();
  batch.Add(kBeginRead);
  begun_ = true;
  // A limit is one of its transaction.
  limit_is_new_ = deadline_.has_value();
  AddLimit(batch, std::chrono::steady_clock::now());
}

Result<std::vector<OrgRow>> PgTransaction::ListOrgs(const ListQuery& query) {
  return ReadList<OrgRow>(Listing::kOrgs, query,
                          [](PgRow& from, OrgRow& row) { return from.Read(row.org); });
}

Result<std::vector<RegionRow>> PgTransaction::ListRegions(const ListQuery& query) {
  return ReadList<RegionRow>(Listing::kRegions, query,
                             [](PgRow& from, RegionRow& row) { return from.Read(row.region); });
}

Result<std::vector<HostRow>> PgTransaction::ListHosts(const ListQuery& query) {
  return ReadList<HostRow>(Listing::kHosts, query, [](PgRow& from, HostRow& row) {
    return from.Read(row.host, row.region);
  });
}

Result<std::vector<ProtocolRow>> PgTransaction::ListProtocols(const ListQuery& query) {
  return ReadList<ProtocolRow>(Listing::kProtocols, query, [](PgRow& from, ProtocolRow& row) {
    return from.Read(row.protocol);
  });
}

Result<std::vector<VersionRow>> PgTransaction::ListVersions(const ListQuery& query) {
  return ReadList<VersionRow>(Listing::kVersions, query, [](PgRow& from, VersionRow& row) {
    return from.Read(row.version, row.protocol);
  });
}

Result<std::vector<ImageRow>> PgTransaction::ListImages(const ListQuery& query) {
  std::vector<ImageId> ids;
  ASSIGN_OR_RETURN(std::vector<ImageRow> rows,
                   ReadList<ImageRow>(Listing::kImages, query, [&](PgRow& from, ImageRow&) {
                     return from.Read(ids.emplace_back());
                   }));
  RETURN_IF_ERROR(EnsureImages(ids));
  for (size_t i = 0; i < rows.size(); ++i) rows[i].image = images_.Find(ids[i]);
  return rows;
}

Result<std::vector<NodeRow>> PgTransaction::ListNodes(const ListQuery& query) {
  std::vector<ImageId> ids;
  ASSIGN_OR_RETURN(
      std::vector<NodeRow> rows,
      ReadList<NodeRow>(Listing::kNodes, query, [&](PgRow& from, NodeRow& row) -> Status {
        Status read = from.Read(row.node, row.org, row.host, row.region, row.region_id);
        ids.push_back(row.node.image_id);
        return read;
      }));
  RETURN_IF_ERROR(EnsureImages(std::move(ids)));
  for (NodeRow& row : rows) row.image = ImageName(row.node.image_id);
  return rows;
}

Result<std::vector<CommandRow>> PgTransaction::ListCommands(const ListQuery& query) {
  return ReadList<CommandRow>(Listing::kCommands, query, [](PgRow& from, CommandRow& row) {
    return from.Read(row.command, row.node, row.host);
  });
}

Result<std::vector<EventRow>> PgTransaction::ListEvents(const ListQuery& query) {
  return ReadList<EventRow>(Listing::kEvents, query, [](PgRow& from, EventRow& row) {
    return from.Read(row.event, row.org, row.host, row.node);
  });
}

Result<std::vector<TokenRow>> PgTransaction::ListTokens(const ListQuery& query) {
  return ReadList<TokenRow>(Listing::kTokens, query, [](PgRow& from, TokenRow& row) {
    return from.Read(row.token, row.org, row.host);
  });
}

Result<std::vector<RequestRow>> PgTransaction::ListRequests(const ListQuery& query) {
  return ReadList<RequestRow>(Listing::kRequests, query, [](PgRow& from, RequestRow& row) {
    return from.Read(row.record, row.org);
  });
}

}  // namespace tallyman
