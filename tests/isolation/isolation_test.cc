// A node on the real runtime tries what docs/isolation.md says it can and cannot do. Needs root.
#include "agent/oci/isolation.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>

#include "agent/file.h"
#include "agent/oci/mounts.h"
#include "agent/oci/oci_runtime.h"
#include "base/bytes.h"
#include "base/system.h"
#include "tests/support/loopback.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_image.h"
#include "tests/support/wait.h"

namespace tallyman {
namespace {

// Makes a call of the runtime until it is done.
template <typename Call>
Status Finish(Call call) {
  Status status;
  EXPECT_TRUE(WaitUntil([&] {
    Result<Progress> called = call();
    if (!called) status = Fail(called.error());
    return !called || called->done;
  }));
  return status;
}

#define ASSERT_FINISHES(expr)                                \
  do {                                                       \
    const Status done_ = Finish([&] { return expr; });       \
    ASSERT_TRUE(done_.has_value()) << done_.error().message; \
  } while (false)

using Answers = std::map<std::string, std::string>;

// A row is: | `NAME` | what is tried | ANSWER or ANSWER | ...
Answers ReadTable(const std::string& path) {
  Answers answers;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream cells(line);
    std::string empty;
    std::string name;
    std::string tried;
    std::string answer;
    std::getline(cells, empty, '|');
    std::getline(cells, name, '|');
    std::getline(cells, tried, '|');
    std::getline(cells, answer, '|');
    if (!name.starts_with(" `") || !name.ends_with("` ")) continue;
    name = name.substr(2, name.size() - 4);
    if (name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos)
      continue;
    EXPECT_TRUE(answers.emplace(name, answer).second) << name << " is there twice";
  }
  return answers;
}

// A line is: NAME ANSWER
Answers ReadAnswers(const std::filesystem::path& path) {
  Answers answers;
  std::ifstream file(path);
  std::string name;
  std::string answer;
  while (file >> name && name != "end" && file >> answer) answers[name] = answer;
  return answers;
}

// One of those in a cell such as " EPERM or ENOSYS ".
bool IsOneOf(const std::string& answer, const std::string& cell) {
  std::istringstream words(cell);
  for (std::string word; words >> word;)
    if (word == answer && word != "or") return true;
  return false;
}

// A socket of the host that listens under an abstract name.
class AbstractListener {
 public:
  AbstractListener() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, name_.data(), name_.size());
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name_.size());
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(socket_.get(), 1), 0);
  }
  const std::string& name() const { return name_; }

 private:
  FileDescriptor socket_{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::string name_ = "tallyman-isolation-" + std::to_string(::getpid());
};

class IsolationTest : public testing::Test {
 protected:
  void SetUp() override {
    if (std::string why = WhyNoContainers(); !why.empty()) GTEST_SKIP() << why;
    spec_.node_id = ids_.New<NodeId>();
    spec_.name = "node-1";
    spec_.config_id = ids_.New<ConfigId>();
    spec_.image_id = ids_.New<ImageId>();
    mask_ = ::umask(0077);
    auto opened = OciRuntime::Open({.data_directory = data(),
                                    .run_directory = dir_.path() / "run",
                                    .image_room_bytes = 64 * kMebi});
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    runtime_ = std::move(*opened);
  }
  void TearDown() override {
    ::umask(mask_);
    if (!runtime_) return;
    EXPECT_TRUE(Finish([&] { return runtime_->Remove(spec_.node_id); }).has_value());
    runtime_.reset();
    EXPECT_TRUE(WaitUntil([&] { return Unmount(data() / "image-store").has_value(); }));
  }

  std::string ImageWithProbe(const std::string& script = "while :; do sleep 1; done") {
    TestLayout layout(dir_.path() / "layout");
    const std::string base = (dir_.path() / "layout").string() + ":base";
    EXPECT_TRUE(
        RunTool({"umoci", "insert", "--rootless", "--image", base, TALLYMAN_PROBE, "/bin/probe"}));
    return layout.Add({.tag = "v1", .script = script, .labels = {"tallyman.stop-grace-seconds=0"}});
  }

  std::filesystem::path data() const { return dir_.path() / "data"; }
  std::filesystem::path volume() const {
    return data() / "nodes" / spec_.node_id.ToString() / "disk" / "volumes" / "data";
  }

  TempDir dir_;
  mode_t mask_ = 0022;
  SystemClock clock_;
  SeededRandom random_{SystemSeed()};
  IdSource ids_{clock_, random_};
  NodeSpec spec_;
  std::unique_ptr<OciRuntime> runtime_;
};

TEST_F(IsolationTest, ANodeCanDoWhatTheTableSaysAndNothingMore) {
  const std::filesystem::path host_file = dir_.path() / "host-file";
  std::ofstream(host_file) << "of the host";
  const LoopbackListener loopback;
  const AbstractListener abstract;
  const int64_t tasks_max = TasksMax(1, ReadHostBounds());
  // A thread takes less than 40 KiB of the kernel's memory, which counts as the node's.
  const int64_t memory_mib = 256 + tasks_max * 40 / 1024;
  spec_.image_uri =
      ImageWithProbe("/bin/probe >/data/answers 2>/data/said; while :; do sleep 1; done");
  spec_.resources = {.cpu_cores = 1, .memory_bytes = memory_mib * kMebi, .disk_bytes = 64 * kMebi};
  spec_.values = {{"host_file", host_file.string()},
                  {"host_pid", std::to_string(::getpid())},
                  {"host_port", std::to_string(loopback.port())},
                  {"host_abstract", abstract.name()},
                  {"other_node", (data() / "nodes").string()},
                  {"memory_mib", std::to_string(memory_mib)},
                  {"tasks_max", std::to_string(tasks_max)}};
  ASSERT_FINISHES(runtime_->Prepare(spec_));
  ASSERT_FINISHES(runtime_->Install(spec_));
  ASSERT_FINISHES(runtime_->Start(spec_.node_id));
  EXPECT_TRUE(WaitUntil(
      [&] {
        auto text = ReadFile(volume() / "answers");
        return text && text->ends_with("end\n");
      },
      std::chrono::seconds(120)));

  const Answers table = ReadTable(TALLYMAN_ISOLATION_DOC);
  const Answers answers = ReadAnswers(volume() / "answers");
  for (const auto& [name, answer] : answers) {
    auto row = table.find(name);
    if (row == table.end()) {
      ADD_FAILURE() << "docs/isolation.md has no line for " << name << " " << answer;
    } else {
      EXPECT_TRUE(IsOneOf(answer, row->second)) << name << ": " << answer << ", not" << row->second;
    }
  }
  for (const auto& [name, cell] : table)
    EXPECT_TRUE(answers.contains(name)) << name << " is not tried";
  if (HasFailure()) std::cerr << ReadFile(volume() / "said").value_or("");
}

TEST_F(IsolationTest, AHealthCommandInheritsNothingOfTheAgents) {
  spec_.image_uri = ImageWithProbe();
  spec_.resources = {.cpu_cores = 1, .memory_bytes = 64 * kMebi, .disk_bytes = 32 * kMebi};
  spec_.values = {{"health_command", R"(["/bin/probe","descriptors"])"}};
  ASSERT_FINISHES(runtime_->Prepare(spec_));
  ASSERT_FINISHES(runtime_->Install(spec_));
  ASSERT_FINISHES(runtime_->Start(spec_.node_id));
  std::optional<HealthReport> report;
  EXPECT_TRUE(WaitUntil([&] {
    auto health = runtime_->CheckHealth(spec_.node_id);
    if (health) report = *health;
    return !health || report;
  }));
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->health, NodeHealth::kHealthy) << report->message;
}

TEST_F(IsolationTest, ANodeThatRunsHearsOfTheHostsResolvers) {
  spec_.image_uri = TestLayout(dir_.path() / "layout")
                        .Add({.tag = "v1", .labels = {"tallyman.stop-grace-seconds=0"}});
  spec_.resources = {.cpu_cores = 1, .memory_bytes = 64 * kMebi, .disk_bytes = 32 * kMebi};
  ASSERT_FINISHES(runtime_->Prepare(spec_));
  ASSERT_FINISHES(runtime_->Install(spec_));
  ASSERT_FINISHES(runtime_->Start(spec_.node_id));
  // As if the host's own had changed since.
  const std::filesystem::path copy =
      data() / "nodes" / spec_.node_id.ToString() / "info" / "etc" / "resolv.conf";
  const std::string now = ReadFile(copy).value_or("");
  ASSERT_NE(now, "");
  std::ofstream(copy) << "# before";
  EXPECT_TRUE(WaitUntil([&] {
    auto health = runtime_->CheckHealth(spec_.node_id);
    return !health || *health;
  }));
  EXPECT_EQ(ReadFile(copy).value_or(""), now);
}

}  // namespace
}  // namespace tallyman
