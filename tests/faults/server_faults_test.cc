// What can happen to PostgreSQL itself while servers work on it: connections that it ends,
// processes that are killed, a disk that is full.
//
//   TALLYMAN_FAULTS=200   how often it happens
#include <sys/mount.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "base/random.h"
#include "tests/faults/cluster_room.h"
#include "tests/faults/load.h"
#include "tests/support/temp_dir.h"

namespace tallyman {
namespace {

constexpr uint64_t kSeed = 20261126;
constexpr int kClients = 6;

// The processes that serve connections of this database, but for that of the question.
std::vector<std::string> Backends(const std::string& dsn) {
  return RunSql(dsn,
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
                "AND backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY pid");
}

TEST(ServerFaults, EndedConnectionsUnderLoadLoseNothing) {
  PostgresCluster cluster({.durable = false});
  ClusterRoom room(cluster);
  SeededRandom random(kSeed);
  Load load({room.a.get(), room.b.get()}, kClients, ClusterRoom::kNodes, kSeed);
  load.Run(FaultsAsked(10), [&](int) {
    const auto backends = Backends(room.dsn);
    if (backends.empty()) return;
    RunSql(room.dsn,
           "SELECT pg_terminate_backend(" + backends[random.Next() % backends.size()] + ")");
  });
  load.Prove(*room.a);
  room.b->ExpectBalanced();
}

TEST(ServerFaults, KilledProcessesUnderLoadLoseNothingThatWasAcknowledged) {
  PostgresCluster cluster;
  ClusterRoom room(cluster);
  SeededRandom random(kSeed);
  Load load({room.a.get(), room.b.get()}, kClients, ClusterRoom::kNodes, kSeed + 1000);
  load.Run(FaultsAsked(4), [&](int number) {
    if (number % 2 == 0) {
      cluster.Kill();
      cluster.Start();
      return;
    }
    // The postmaster then ends all others, and recovers from its log.
    const auto backends = Backends(room.dsn);
    if (!backends.empty()) {
      ::kill(static_cast<pid_t>(std::stol(backends[random.Next() % backends.size()])), SIGKILL);
    }
  });
  load.Prove(*room.a);
  room.b->ExpectBalanced();
}

// A file system of its own, a few megabytes large.
class SmallDisk {
 public:
  SmallDisk() {
    is_there_ =
        ::geteuid() == 0 && ::mount("tmpfs", path().c_str(), "tmpfs", 0, "size=24m,mode=0777") == 0;
    if (is_there_) std::filesystem::create_directory(path() + "/space");
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  ~SmallDisk() {
    if (is_there_) ::umount2(path().c_str(), MNT_DETACH);
  }

  bool is_there() const { return is_there_; }
  std::string path() const { return directory_.path().string(); }
  void Fill() const {
    std::ofstream file(path() + "/ballast", std::ios::binary);
    const std::string piece(4096, 'x');
    while (file.write(piece.data(), static_cast<std::streamsize>(piece.size())).flush()) {
    }
  }
  void Free() const { std::filesystem::remove(path() + "/ballast"); }

 private:
  TempDir directory_;
  bool is_there_ = false;
};

TEST(ServerFaults, AFullDiskRefusesUpgradesWholeUntilThereIsRoom) {
  SmallDisk disk;
  if (!disk.is_there()) GTEST_SKIP() << "a file system of a test's own needs root to mount it";
  PostgresCluster cluster;
  const std::string space = disk.path() + "/space";
  std::filesystem::permissions(disk.path(), std::filesystem::perms::all);
  RunSql(cluster.Dsn(), "SELECT 1");
  ASSERT_EQ(
      std::system(("chown --reference=" + cluster.directory().string() + " " + space).c_str()), 0);
  RunSql(cluster.Dsn(), "CREATE TABLESPACE small LOCATION '" + space + "'");
  RunSql(cluster.Dsn(), "CREATE DATABASE fleet TABLESPACE small");
  ClusterRoom room(cluster, "fleet");

  disk.Fill();
  int64_t upgrades = 0;
  std::optional<Error> refused;
  std::string target = "chain/full@2.0.0", other = "chain/full@1.0.0";
  for (int i = 0; i < 1000 && !refused; ++i) {
    auto answer = room.a->Upgrade({"n-1", "n-2", "n-3"}, target);
    if (answer) {
      ++upgrades;
      std::swap(target, other);
    } else {
      refused = answer.error();
    }
  }
  ASSERT_TRUE(refused.has_value()) << "the disk is never full";
  EXPECT_EQ(refused->code, Code::kUnavailable);
  EXPECT_EQ(refused->reason, "DATABASE_FULL") << refused->message;
  EXPECT_EQ(RunSql(room.dsn, "SELECT count(*) FROM events WHERE kind = 'upgrade_started'").front(),
            std::to_string(upgrades * 3));
  room.b->ExpectBalanced();

  disk.Free();
  ASSERT_TRUE(room.a->Upgrade({"n-1", "n-2", "n-3"}, target).has_value());
  room.b->ExpectBalanced();
}

}  // namespace
}  // namespace tallyman
