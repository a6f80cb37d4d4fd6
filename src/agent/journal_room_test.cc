// A file system without a free byte does not stop the journal: tried on one that the test makes and
// fills.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "agent/file.h"
#include "agent/join.h"
#include "agent/sqlite_journal.h"
#include "base/id_source.h"
#include "base/system.h"
#include "tests/support/temp_dir.h"

namespace tallyman::agent {
namespace {

constexpr int64_t kMega = 1 << 20;

class JournalRoomTest : public testing::Test {
 protected:
  ~JournalRoomTest() override {
    if (!mounted_) return;
    EXPECT_EQ(Shell("umount " + mount().string()), 0);
  }

  int Shell(const std::string& line) {
    return std::system((line + " >" + (dir_.path() / "shell.log").string() + " 2>&1").c_str());
  }
  std::filesystem::path mount() const { return dir_.path() / "mount"; }
  std::string path() const { return (mount() / "journal.db").string(); }

  // A file system of its own, of so many bytes.
  bool Mount(int64_t bytes) {
    const std::string image = (dir_.path() / "disk").string();
    std::filesystem::create_directories(mount());
    mounted_ = Shell("truncate -s " + std::to_string(bytes) + " " + image) == 0 &&
               Shell("mkfs.ext4 -q " + image) == 0 &&
               Shell("mount -o loop " + image + " " + mount().string()) == 0;
    return mounted_;
  }
  // Takes every byte and every small file that is left.
  void Fill() {
    FileDescriptor file(
        ::open((mount() / "filler").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    const std::string block(1 << 20, 'x');
    for (size_t size = block.size(); size > 0;) {
      const ssize_t wrote = ::write(file.get(), block.data(), size);
      if (wrote <= 0) size /= 2;
    }
    ::fsync(file.get());
    FileDescriptor more(::open((mount() / "more").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    EXPECT_TRUE(!more.is_open() || ::write(more.get(), "x", 1) < 0);
  }
  std::unique_ptr<SqliteJournal> Open(const JournalRoom& room) {
    auto opened = SqliteJournal::Open(path(), {}, room);
    EXPECT_TRUE(opened.has_value()) << (opened ? "" : opened.error().message);
    return opened ? std::move(*opened) : nullptr;
  }
  JournalCommand Command() {
    JournalCommand command{.id = ids_.New<CommandId>(),
                           .node_id = ids_.New<NodeId>(),
                           .payload = std::string(3000, 'p')};
    return command;
  }

  TempDir dir_{TempDir::Fast()};
  bool mounted_ = false;
  SystemClock clock_;
  SeededRandom random_{SystemSeed()};
  IdSource ids_{clock_, random_};
};

TEST_F(JournalRoomTest, CommandsAreTakenAndFinishedWithoutAFreeByte) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can mount a file system";
  if (!Mount(160 * kMega)) GTEST_SKIP() << "no file system can be mounted here";
  auto journal = Open(kJournalRoom);
  ASSERT_NE(journal, nullptr);
  EXPECT_EQ(journal->room_problem(), "");
  Fill();
  std::vector<JournalCommand> commands;
  auto all_is_taken_and_finished = [&] {
    for (int round = 0; round < 8; ++round) {
      JournalChange fetched;
      for (int i = 0; i < 1000; ++i) fetched.put_commands.push_back(Command());
      ASSERT_TRUE(journal->Save(fetched).has_value()) << round;
      commands.insert(commands.end(), fetched.put_commands.begin(), fetched.put_commands.end());
    }
    for (JournalCommand& command : commands) {
      command.stage = Stage::kDone;
      command.outcome.message = std::string(1000, 'm');
    }
    JournalChange done;
    for (const JournalCommand& command : commands) {
      done.put_commands.push_back(command);
      if (done.put_commands.size() < 50) continue;
      Status saved = journal->Save(done);
      ASSERT_TRUE(saved.has_value()) << saved.error().message;
      done = {};
    }
    JournalChange gone;
    for (const JournalCommand& command : commands) gone.erased_commands.push_back(command.id);
    ASSERT_TRUE(journal->Save(gone).has_value());
    commands.clear();
  };
  all_is_taken_and_finished();
  // Nor does an agent that begins anew need a byte; its token is there, too.
  ASSERT_TRUE(journal->SetFact("host_id", "h").has_value());
  ASSERT_TRUE(journal->SetFact("host_token", "t").has_value());
  journal.reset();
  journal = Open(kJournalRoom);
  ASSERT_NE(journal, nullptr);
  all_is_taken_and_finished();
  auto identity = LoadIdentity(*journal, mount() / "host-token");
  ASSERT_TRUE(identity.has_value() && identity->has_value());
  EXPECT_EQ((*identity)->token, "t");
  // No other file came of it.
  EXPECT_FALSE(std::filesystem::exists(path() + "-shm"));
}

// What the room is for.
TEST_F(JournalRoomTest, WithoutRoomOfItsOwnAFullFileSystemStopsIt) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can mount a file system";
  if (!Mount(32 * kMega)) GTEST_SKIP() << "no file system can be mounted here";
  auto journal = Open({});
  ASSERT_NE(journal, nullptr);
  Fill();
  bool stopped = false;
  for (int round = 0; round < 20 && !stopped; ++round) {
    JournalChange fetched;
    for (int i = 0; i < 100; ++i) fetched.put_commands.push_back(Command());
    stopped = !journal->Save(fetched).has_value();
  }
  EXPECT_TRUE(stopped);
}

TEST_F(JournalRoomTest, SaysWhenThereIsNoRoomToKeepAndWorksOn) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can mount a file system";
  if (!Mount(32 * kMega)) GTEST_SKIP() << "no file system can be mounted here";
  auto journal = Open(kJournalRoom);
  ASSERT_NE(journal, nullptr);
  EXPECT_NE(journal->room_problem(), "");
  JournalChange fetched;
  fetched.put_commands.push_back(Command());
  EXPECT_TRUE(journal->Save(fetched).has_value());
}

}  // namespace
}  // namespace tallyman::agent
