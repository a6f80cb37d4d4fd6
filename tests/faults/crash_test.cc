// kill -9 of a real process under write load, again and again on the same file: nothing that was
// acknowledged is missing, and the books balance. TALLYMAN_CRASHES sets how many (default 5).
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "support/control_fixture.h"

#include "base/random.h"
extern char** environ;

namespace tallyman {
namespace {

using namespace tallyman::store;

constexpr int kNodes = 20;

// Runs the writer until it has acknowledged `acks` requests, kills it, and returns all that it
// said.
std::vector<std::string> WriteAndKill(const std::string& path, uint64_t seed, size_t acks) {
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  std::string nodes = std::to_string(kNodes), seed_text = std::to_string(seed),
              program = CRASH_WRITER, threads = "8";
  std::string file = path;
  char* argv[] = {program.data(), file.data(),      nodes.data(),
                  threads.data(), seed_text.data(), nullptr};
  pid_t child = 0;
  EXPECT_EQ(posix_spawn(&child, program.c_str(), &actions, nullptr, argv, environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);

  std::string said;
  char buffer[4096];
  bool killed = false;
  while (true) {
    ssize_t n = read(ends[0], buffer, sizeof buffer);
    if (n <= 0) break;
    said.append(buffer, static_cast<size_t>(n));
    if (!killed && static_cast<size_t>(std::count(said.begin(), said.end(), '\n')) >= acks) {
      kill(child, SIGKILL);
      killed = true;
    }
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
      << "the writer ended unexpectedly: " << status;
  std::vector<std::string> lines;
  for (size_t at = 0, end; (end = said.find('\n', at)) != std::string::npos; at = end + 1) {
    lines.push_back(said.substr(at, end - at));
  }
  return lines;
}

TEST(Crash, LosesNothingThatWasAcknowledged) {
  const char* asked = std::getenv("TALLYMAN_CRASHES");
  int crashes = asked != nullptr ? std::atoi(asked) : 5;
  uint64_t first_seed = 1000;
  std::cout << "seeds " << first_seed << " to " << first_seed + static_cast<uint64_t>(crashes) - 1
            << "\n";
  ControlRoom room;
  room.AddFleet(3);
  room.AddImage("1.0.0", {2, 4 * kGiga, 100 * kGiga});
  room.AddImage("2.0.0", {4, 8 * kGiga, 200 * kGiga});
  ASSERT_TRUE(room.AddNodes("1.0.0", "n", kNodes).has_value());
  std::string path = room.path();
  room.control.reset();
  room.store.reset();
  size_t acknowledged = 0;
  for (int i = 0; i < crashes; ++i) {
    uint64_t seed = first_seed + static_cast<uint64_t>(i);
    auto lines = WriteAndKill(path, seed, 1 + SeededRandom(seed).Next() % 60);
    acknowledged += lines.size();
    auto store = store::sqlite::SqliteStore::Open(path, {});
    ASSERT_TRUE(store.has_value()) << store.error().message;
    LockSet locks;
    for (const std::string& line : lines) locks.requests.push_back({OrgId{}, "crash", line});
    Status read = (*store)->Read([&](ReadTx& tx) -> Status {
      ASSIGN_OR_RETURN(Snapshot snapshot, tx.Load(locks));
      EXPECT_EQ(snapshot.requests.size(), lines.size()) << "acknowledged, but lost; seed " << seed;
      return {};
    });
    ASSERT_TRUE(read.has_value()) << read.error().message;
    room.store = *std::move(store);
    room.Restart({});
    auto audit = room.Audit();
    ASSERT_TRUE(audit.has_value()) << audit.error().message;
    EXPECT_TRUE(audit->balanced()) << "seed " << seed;
    room.control.reset();
    room.store.reset();
  }
  std::cout << crashes << " crashes, " << acknowledged << " requests acknowledged, none lost\n";
  EXPECT_GE(acknowledged, static_cast<size_t>(crashes));
}

}  // namespace
}  // namespace tallyman
