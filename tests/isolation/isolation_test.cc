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
#include "agent/oci/testing_oci.h"
#include "tests/support/loopback.h"
#include "tests/support/wait.h"

namespace tallyman {
namespace {

using namespace tallyman::agent;
using namespace tallyman::agent::oci;
using Answers = std::map<std::string, std::string>;

// What nodes with user namespaces are told otherwise.
constexpr std::string_view kOtherwise = "## With user namespaces";

// A row is: | `NAME` | what is tried | ANSWER or ANSWER | ...
Answers ReadTable(const std::string& path, bool user_namespaces) {
  Answers answers;
  Answers otherwise;
  std::ifstream file(path);
  bool is_otherwise = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("## ")) is_otherwise = line == kOtherwise;
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
    EXPECT_TRUE((is_otherwise ? otherwise : answers).emplace(name, answer).second)
        << name << " is there twice";
  }
  EXPECT_FALSE(otherwise.empty());
  for (const auto& [name, answer] : otherwise) {
    EXPECT_TRUE(answers.contains(name)) << name << " is only there with user namespaces";
    if (user_namespaces) answers[name] = answer;
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

class IsolationTest : public OciRuntimeTest {
 protected:
  void SetUp() override {
    // What is tried takes its time on a busy machine.
    options_.health_timeout = std::chrono::seconds(20);
    OciRuntimeTest::SetUp();
    if (!runtime_) return;
    // An agent that was started with another mask.
    mask_ = ::umask(0077);
    Open();
  }
  void TearDown() override {
    ::umask(mask_);
    OciRuntimeTest::TearDown();
  }

  std::string ImageWithProbe(const std::string& script = "while :; do sleep 1; done") {
    const std::string base = (dir_.path() / "layout").string() + ":base";
    EXPECT_TRUE(
        RunTool({"umoci", "insert", "--rootless", "--image", base, TALLYMAN_PROBE, "/bin/probe"}));
    return layout_->Add(
        {.tag = "v1", .script = script, .labels = {"tallyman.stop-grace-seconds=0"}});
  }

  void ExpectWhatTheTableSays();

 private:
  mode_t mask_ = 0022;
};

void IsolationTest::ExpectWhatTheTableSays() {
  const std::filesystem::path host_file = dir_.path() / "host-file";
  std::ofstream(host_file) << "of the host";
  const LoopbackListener loopback;
  const AbstractListener abstract;
  const int64_t tasks_max = TasksMax(1, ReadHostBounds());
  // A thread takes less than 40 KiB of the kernel's memory, which counts as the node's.
  const int64_t memory_mib = 256 + tasks_max * 40 / 1024;
  NodeSpec spec =
      Spec(ImageWithProbe("/bin/probe >/data/answers 2>/data/said; while :; do sleep 1; done"),
           {.cpu_cores = 1, .memory_bytes = memory_mib * kMebi, .disk_bytes = 64 * kMebi});
  spec.values = {{"host_file", host_file.string()},
                 {"host_pid", std::to_string(::getpid())},
                 {"host_port", std::to_string(loopback.port())},
                 {"host_abstract", abstract.name()},
                 {"other_node", (data() / "nodes").string()},
                 {"memory_mib", std::to_string(memory_mib)},
                 {"tasks_max", std::to_string(tasks_max)}};
  Run(spec);
  EXPECT_TRUE(WaitUntil(
      [&] {
        auto text = ReadFile(volume("data") / "answers");
        return text && text->ends_with("end\n");
      },
      std::chrono::seconds(120)));

  const Answers table = ReadTable(TALLYMAN_ISOLATION_DOC, options_.user_namespaces);
  const Answers answers = ReadAnswers(volume("data") / "answers");
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
  if (HasFailure()) std::cerr << ReadFile(volume("data") / "said").value_or("");
}

TEST_F(IsolationTest, ANodeCanDoWhatTheTableSaysAndNothingMore) { ExpectWhatTheTableSays(); }

TEST_F(IsolationTest, WithAUserNamespaceItCanDoWhatTheTableSaysOfThat) {
  ASSERT_EQ(::chmod(dir_.path().c_str(), 0711), 0);
  options_.user_namespaces = true;
  auto opened = OciRuntime::Open(options_);
  if (!opened && opened.error().reason == "USER_NAMESPACES_UNAVAILABLE")
    GTEST_SKIP() << opened.error().message;
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  runtime_ = std::move(*opened);
  ExpectWhatTheTableSays();
}

TEST_F(IsolationTest, AHealthCommandInheritsNothingOfTheAgents) {
  NodeSpec spec = Spec(ImageWithProbe(), kSmall);
  spec.values = {{"health_command", R"(["/bin/probe","descriptors"])"}};
  Run(spec);
  const HealthReport report = Health();
  EXPECT_EQ(report.health, NodeHealth::kHealthy) << report.message;
}

TEST_F(IsolationTest, ANodeThatRunsHearsOfTheHostsResolvers) {
  NodeSpec spec = Spec(ImageWithProbe(), kSmall);
  Run(spec);
  // As if the host's own had changed since.
  const std::filesystem::path copy = node() / "info" / "etc" / "resolv.conf";
  const std::string now = ReadFile(copy).value_or("");
  ASSERT_NE(now, "");
  std::ofstream(copy) << "# before";
  Health();
  EXPECT_EQ(ReadFile(copy).value_or(""), now);
}

}  // namespace
}  // namespace tallyman
