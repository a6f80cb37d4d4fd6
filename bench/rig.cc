#include "bench/rig.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "store/postgres/postgres_store.h"
#include "store/sqlite/sqlite_store.h"
#include "tallyman/v1/node.pb.h"

namespace tallyman {

namespace {

using namespace tallyman::api;
using namespace tallyman::store;
using namespace tallyman::store::sqlite;

// Transactions at once: one is decided and sent while another one waits for the disk. Without
// combining a client may have one of its own, as the references do.
int Writers() { return std::stoi(Setting("BENCH_WRITERS", "2")); }
constexpr int kWritersAlone = 64;

template <class AnyStore>
Result<std::unique_ptr<Store>> Ready(std::unique_ptr<AnyStore> store, bool create) {
  if (create) {
    if (auto migrated = store->Migrate(); !migrated) return Fail(std::move(migrated).error());
  }
  return std::unique_ptr<Store>(std::move(store));
}

Result<std::unique_ptr<Store>> OpenSqlite(const std::string& path, const RigOptions& options) {
  SqliteStoreOptions store;
  store.create_if_missing = options.create;
  if (!options.durable) store.synchronous = SqliteSynchronous::kOff;
  ASSIGN_OR_RETURN(auto opened, SqliteStore::Open(path, store));
  return Ready(std::move(opened), options.create);
}

Result<std::unique_ptr<Store>> OpenPostgres(const std::string& dsn, const RigOptions& options) {
  store::postgres::PostgresStoreOptions store;
  store.may_be_empty = options.create;
  store.writers_max = options.combine ? Writers() : kWritersAlone;
  ASSIGN_OR_RETURN(auto opened, store::postgres::PostgresStore::Open(dsn, store));
  return Ready(std::move(opened), options.create);
}

}  // namespace

Result<std::unique_ptr<Rig>> Rig::Open(const std::string& database, const RigOptions& options) {
  std::unique_ptr<Rig> rig(new Rig);
  control::ControlOptions control;
  control.combine = options.combine;
  if (options.nodes_max > 0) control.nodes_max = options.nodes_max;
  if (IsPostgres(database)) {
    ASSIGN_OR_RETURN(rig->store, OpenPostgres(database, options));
    control.writers = options.combine ? Writers() : kWritersAlone;
  } else {
    ASSIGN_OR_RETURN(rig->store, OpenSqlite(database, options));
  }
  rig->control = std::make_unique<control::Control>(*rig->store, rig->clock, rig->random, rig->log,
                                                    rig->metrics, control);
  rig->dispatcher = std::make_unique<Dispatcher>(*rig->control);
  return rig;
}

void Rig::Upgrade(const std::vector<std::string>& nodes, const std::string& image, Answer done) {
  v1::UpgradeNodesRequest request;
  for (const std::string& node : nodes) request.add_nodes(node);
  request.set_image(image);
  dispatcher->Dispatch("tallyman.v1.NodeService/UpgradeNodes", request, {.actor = actor},
                       std::move(done));
}

Status Rig::UpgradeAndWait(const std::vector<std::string>& nodes, const std::string& image) {
  std::promise<Result<Reply>> promise;
  auto future = promise.get_future();
  Upgrade(nodes, image, [&promise](Result<Reply> reply) { promise.set_value(std::move(reply)); });
  auto answer = ToMessage(future.get());
  return answer ? Status() : Fail(std::move(answer).error());
}

Result<std::vector<std::string>> Rig::NodeIds() const {
  std::vector<std::string> ids;
  RETURN_IF_ERROR(store->Read([&](ReadTx& tx) -> Status {
    ListQuery query;
    query.order_by = "name";
    query.limit = 10'000;
    while (true) {
      ASSIGN_OR_RETURN(auto rows, tx.ListNodes(query));
      for (const NodeRow& row : rows) ids.push_back(row.node.id.ToString());
      if (static_cast<int64_t>(rows.size()) < query.limit) return {};
      query.after = rows.back().cursor;
    }
  }));
  std::ranges::sort(ids);
  return ids;
}

Result<std::string> Rig::ImageIdOf(const std::string& version) const {
  std::string id;
  RETURN_IF_ERROR(store->Read([&](ReadTx& tx) -> Status {
    ASSIGN_OR_RETURN(auto builds, tx.FindBuilds("chain", "full", version));
    id = builds.at(0)->id.ToString();
    return {};
  }));
  return id;
}

void MustBeOk(const Status& status) {
  if (status) return;
  std::fprintf(stderr, "bench: %s: %s\n", status.error().reason.c_str(),
               status.error().message.c_str());
  std::exit(1);
}

bool IsPostgres(const std::string& database) { return database.starts_with("postgres"); }

void CopyFleet(const std::string& from, const std::string& to) {
  for (const char* beside : {"", "-wal", "-shm"}) std::filesystem::remove(to + beside);
  std::filesystem::copy_file(from, to);
}

std::string Setting(const char* name, const std::string& fallback) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? fallback : value;
}

}  // namespace tallyman
