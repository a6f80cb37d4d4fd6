// A backup beside writers, of backends that make their own.
#include <atomic>
#include <thread>

#include "tests/contract/contract.h"

namespace tallyman {
namespace {

class BackupContract : public StoreContract {
 protected:
  BackupBackend& backend() { return dynamic_cast<BackupBackend&>(*backend_); }
};

TEST_P(BackupContract, ABackupIsOneBalancedStateWhileOthersWrite) {
  HostId host = AddHost("rack-1");
  for (int i = 0; i < 40; ++i) AddNode("eth-" + std::to_string(i), host);
  Node node = AddNode("eth-x", host);
  std::atomic<bool> done = false;
  std::thread writer([&] {
    Node now = node;
    for (int i = 0; !done; ++i) {
      ChangeSet changes = fleet_.Upgrade(now, i % 2 == 0 ? fleet_.big : fleet_.small);
      changes.new_commands.clear();
      now = changes.node_updates[0].after;
      Status status = Apply(store(), changes);
      EXPECT_TRUE(status.has_value()) << status.error().message;
    }
  });
  const std::string target = backend().BackupTarget();
  int64_t done_pages = 0, all_pages = -1;
  Status status = admin().Backup(target, [&](int64_t so_far, int64_t in_all) {
    done_pages = so_far;
    all_pages = in_all;
  });
  done = true;
  writer.join();
  ASSERT_OK(status);
  EXPECT_EQ(done_pages, all_pages);

  auto copy = backend().Restore(target);
  std::optional<HostAudit> audit;
  ASSERT_OK(copy->store().Read([&](store::ReadTx& tx) -> Status {
    ASSIGN_OR_RETURN(audit, tx.AuditHost(host));
    return {};
  }));
  ASSERT_TRUE(audit.has_value());
  EXPECT_EQ(audit->host.books.node_count, 41);
  EXPECT_EQ(audit->host.books, audit->sums.books);
  EXPECT_EQ(audit->host.books, audit->ledger_fold);
  auto faults = copy->admin().CheckIntegrity();
  ASSERT_OK(faults);
  EXPECT_TRUE(faults->empty());
}

TEST_P(BackupContract, WritersDoNotMakeABackupStartOver) {
  HostId host = AddHost("rack-1");
  Node now = AddNode("eth-1", host);
  ChangeSet bulk;
  bulk.events.resize(1);
  bulk.events[0].detail = '"' + std::string(8'000'000, 'x') + '"';
  ASSERT_OK(Apply(store(), bulk));
  int64_t last = 0, steps = 0;
  Status status = admin().Backup(backend().BackupTarget(), [&](int64_t so_far, int64_t) {
    EXPECT_GT(so_far, last);
    last = so_far;
    if (++steps > 3) return;
    ChangeSet changes = fleet_.Upgrade(now, steps % 2 == 0 ? fleet_.small : fleet_.big);
    changes.new_commands.clear();
    now = changes.node_updates[0].after;
    Status written = Apply(store(), changes);
    EXPECT_TRUE(written.has_value()) << written.error().message;
  });
  ASSERT_OK(status);
}

TEST_P(BackupContract, ABackupNeverWritesOverAnything) {
  const std::string target = backend().BackupTarget();
  ASSERT_OK(admin().Backup(target, {}));
  ExpectRefused(admin().Backup(target, {}), Code::kAlreadyExists, "BACKUP_EXISTS");
  ExpectRefused(admin().Backup(target + "/no/such/place", {}), Code::kFailedPrecondition,
                "BACKUP_CANNOT_WRITE");
}

RUN_ON_BACKENDS_WITH_BACKUPS(BackupContract);

}  // namespace
}  // namespace tallyman
