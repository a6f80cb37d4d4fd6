#include "e2e/machine.h"

#include <fmt/core.h>

#include <thread>

#include "agent/file.h"
#include "base/checked.h"
#include "base/sealer.h"
#include "base/system.h"

namespace tallyman {
namespace {

using namespace tallyman::agent;

namespace json = boost::json;

// What a limit file of a control group holds, of version 1 or 2; "" when there is none.
std::string GroupFile(const std::string& node_id, const std::string& v1, const std::string& v2) {
  for (const std::string& path :
       {"/sys/fs/cgroup/" + v1.substr(0, v1.find('.')) + "/tallyman/" + node_id + "/" + v1,
        "/sys/fs/cgroup/tallyman/" + node_id + "/" + v2}) {
    if (auto text = ReadFile(path)) return *text;
  }
  return "";
}

// The limits as the kernel's files have them; whole cores.
Resources LimitsOf(const std::string& node_id, const std::filesystem::path& home) {
  std::istringstream cpu(GroupFile(node_id, "cpu.cfs_quota_us", "cpu.max"));
  int64_t quota = 0;
  int64_t period = 0;
  cpu >> quota;
  if (!(cpu >> period)) {
    std::istringstream(GroupFile(node_id, "cpu.cfs_period_us", "cpu.max")) >> period;
  }
  Resources limits;
  if (period > 0 && quota % period == 0) limits.cpu_cores = quota / period;
  std::istringstream(GroupFile(node_id, "memory.limit_in_bytes", "memory.max")) >>
      limits.memory_bytes;
  std::error_code error;
  limits.disk_bytes = static_cast<int64_t>(std::filesystem::file_size(home / "disk.img", error));
  return limits;
}

int64_t Number(const json::value& value) { return std::stoll(std::string(value.as_string())); }

std::string Text(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value == nullptr ? "" : std::string(value->as_string());
}

}  // namespace

void EndToEndTest::SetUp() {
  if (std::string why = WhyNoEndToEnd(); !why.empty()) GTEST_SKIP() << why;
  parts_ = std::make_unique<MachineParts>();
  database_ = std::make_unique<PostgresDatabase>();
  layout_ = std::make_unique<TestLayout>(Path("layout"));
  listen_ = parts_->server_address() + ":7480";
  auto made =
      agent::oci::RunTool({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                           "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj",
                           "/CN=e2e", "-addext", "subjectAltName=IP:" + parts_->server_address(),
                           "-keyout", Path("key.pem"), "-out", Path("cert.pem")});
  ASSERT_TRUE(made.has_value()) << made.error().message;
}

void EndToEndTest::TearDown() {
  if (!HasFailure() || !parts_) return;
  std::cerr << "--- server\n" << (server_ ? server_->Log() : "");
  for (const auto& [name, host] : hosts_) std::cerr << "--- " << name << "\n" << host.agent->Log();
  std::cerr << "--- commands\n" << Tallyman({"command", "list"}).out;
  std::cerr << "--- nodes\n" << Tallyman({"node", "list"}).out;
}

void EndToEndTest::StartServer() {
  if (!server_) {
    server_ = std::make_unique<ChildProcess>(Path("server.log"));
    const std::string key = SystemSecrets().NewHex(kSealKeyBytes) + "\n";
    ASSERT_TRUE(WriteFileAtomically(Path("secret-key"), key, 0600).has_value());
  }
  server_->Start({TALLYMAN_PROGRAM, "server", "--db", database_->dsn(), "--listen", listen_,
                  "--tls-cert", Path("cert.pem"), "--tls-key", Path("key.pem"),
                  "--admin-token-file", Path("admin-token"), "--secret-key-file",
                  Path("secret-key")});
  ASSERT_TRUE(server_->AwaitLog("serving on")) << server_->Log();
  token_ = ReadFile(Path("admin-token")).value();
  token_.pop_back();
}

void EndToEndTest::StartFleet(int hosts) {
  ASSERT_NO_FATAL_FAILURE(StartServer());
  Must({"org", "create", "acme"});
  Must({"region", "create", "eu"});
  for (int number = 1; number <= hosts; ++number) AddHost(number);
  for (const auto& [name, host] : hosts_)
    ASSERT_TRUE(host.agent->AwaitLog("[working]")) << host.agent->Log();
}

void EndToEndTest::AddHost(int number) {
  const std::string name = fmt::format("h{}", number);
  parts_->AddHost(number);
  Must({"host", "create", name, "--region", "eu", "--cpu", "8", "--memory", "8GiB", "--disk",
        "100GB"});
  const Ran token =
      Must({"-q", "token", "create", "join-" + name, "--role", "join", "--host", name});
  ASSERT_TRUE(WriteFileAtomically(Path(name + ".join"), token.out, 0600).has_value());
  Host& host = hosts_[name];
  host.number = number;
  host.data = Path(name + ".data");
  host.agent = std::make_unique<ChildProcess>(Path(name + ".log"));
  StartAgent(name);
}

void EndToEndTest::StartAgent(const std::string& name) {
  const Host& host = hosts_.at(name);
  host.agent->Start({"/usr/bin/nsenter",
                     "--net=" + parts_->NamespaceFile(host.number),
                     TALLYMAN_PROGRAM,
                     "agent",
                     "--server",
                     "https://" + listen_,
                     "--ca",
                     Path("cert.pem"),
                     "--data",
                     host.data,
                     "--join-token-file",
                     Path(name + ".join"),
                     "--image-room-gb",
                     "1",
                     "--settle-seconds",
                     "1",
                     "--health-seconds",
                     "4",
                     "--status-seconds",
                     "2",
                     "--poll-seconds",
                     "5"});
}

void EndToEndTest::Publish(const Version& version) const {
  TestImage image = version.image;
  image.tag = version.number;
  // A container that ends at once when it is told to.
  image.labels.emplace_back("tallyman.stop-grace-seconds=5");
  std::vector<std::string> words = {"image",
                                    "create",
                                    "p/v@" + version.number,
                                    "--uri",
                                    layout_->Add(image),
                                    "--cpu",
                                    std::to_string(version.cores),
                                    "--memory",
                                    std::to_string(version.memory_mib) + "MiB",
                                    "--disk",
                                    std::to_string(version.disk_mib) + "MiB"};
  for (const std::string& key : version.secrets) words.insert(words.end(), {"--secret", key});
  Must(words);
}

Ran EndToEndTest::Tallyman(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), {"--ca", Path("cert.pem")});
  return RunProgram(TALLYMAN_PROGRAM, arguments,
                    {"TALLYMAN_SERVER=https://" + listen_, "TALLYMAN_TOKEN=" + token_});
}

Ran EndToEndTest::Must(const std::vector<std::string>& arguments) const {
  Ran ran = Tallyman(arguments);
  EXPECT_EQ(ran.status, 0) << arguments[0] << " " << arguments[1] << ": " << ran.out << ran.err;
  return ran;
}

void EndToEndTest::Upgrade(const std::vector<std::string>& nodes,
                           const std::string& version) const {
  std::vector<std::string> words = {"node", "upgrade", "--image", "p/v@" + version};
  words.insert(words.end(), nodes.begin(), nodes.end());
  Must(words);
}

json::object EndToEndTest::Call(const std::string& method, const std::string& body) const {
  const Ran ran =
      RunProgram("/usr/bin/curl",
                 {"-sS", "--max-time", "20", "--cacert", Path("cert.pem"), "-H",
                  "Authorization: Bearer " + token_, "-H", "Content-Type: application/json", "-d",
                  body, "https://" + listen_ + "/tallyman.v1." + method},
                 {});
  boost::system::error_code error;
  const json::value answer = json::parse(ran.out, error);
  const bool answered = !error && answer.is_object() && !answer.as_object().contains("code");
  return answered ? answer.as_object() : json::object{{"failed", ran.out + ran.err}};
}

json::object EndToEndTest::Node(const std::string& name) const {
  const json::object answer = Call("NodeService/GetNode", fmt::format(R"({{"node":"{}"}})", name));
  const json::value* node = answer.if_contains("node");
  return node == nullptr ? json::object() : node->as_object();
}

bool EndToEndTest::Runs(const std::string& node, const std::string& version) const {
  const json::object found = Node(node);
  return Text(found, "nodeState") == "NODE_STATE_RUNNING" &&
         Text(found, "image").starts_with("p/v@" + version + "+") &&
         Text(found, "runningConfigId") == Text(found, "configId");
}

std::string EndToEndTest::LastCommandState(const std::string& node) const {
  const json::object answer = Call(
      "CommandService/ListCommands",
      fmt::format(R"({{"filter":"node={}","order_by":"created_at desc","page_size":1}})", node));
  const json::value* commands = answer.if_contains("commands");
  if (commands == nullptr || commands->as_array().empty()) return "";
  return Text(commands->as_array()[0].as_object(), "state").substr(14);  // COMMAND_STATE_
}

bool EndToEndTest::Await(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return true;
}

bool EndToEndTest::AwaitSettled() const {
  return Await([&] {
    for (const char* state : {"open", "taken"}) {
      const json::object answer =
          Call("CommandService/ListCommands", fmt::format(R"({{"filter":"state={}"}})", state));
      if (answer.contains("failed")) return false;
      const json::value* commands = answer.if_contains("commands");
      if (commands != nullptr && !commands->as_array().empty()) return false;
    }
    return true;
  });
}

std::filesystem::path EndToEndTest::HomeOf(const json::object& node) const {
  return hosts_.at(Text(node, "host")).data / "nodes" / Text(node, "id");
}

std::filesystem::path EndToEndTest::Data(const std::string& node, const std::string& file) const {
  return HomeOf(Node(node)) / "disk" / "volumes" / "data" / file;
}

void EndToEndTest::CheckBooksAndMachine() const {
  const Ran audit = Tallyman({"audit"});
  EXPECT_EQ(audit.status, 0) << audit.out << audit.err;
  const json::object listed = Call("NodeService/ListNodes", "{}");
  const json::value* nodes = listed.if_contains("nodes");
  if (nodes == nullptr) return;  // there are none
  for (const json::value& value : nodes->as_array()) {
    const json::object& node = value.as_object();
    const std::string id = Text(node, "id");
    SCOPED_TRACE(Text(node, "name"));
    const json::object& charged = node.at("resources").as_object();
    const Resources books{.cpu_cores = Number(charged.at("cpuCores")),
                          .memory_bytes = Number(charged.at("memoryBytes")),
                          .disk_bytes = Number(charged.at("diskBytes"))};
    const std::filesystem::path home = HomeOf(node);
    EXPECT_EQ(LimitsOf(id, home), books);
    EXPECT_EQ(Text(node, "nodeState"), "NODE_STATE_RUNNING");
    EXPECT_EQ(Text(node, "runningConfigId"), Text(node, "configId"));
    auto state = agent::oci::RunTool({"runc", "--root", RuncRootOf(id).string(), "state", id});
    ASSERT_TRUE(state.has_value()) << state.error().message;
    const json::value container = json::parse(*state);
    EXPECT_EQ(container.at("status").as_string(), "running");
    EXPECT_EQ(container.at("annotations").at("tallyman.config_id").as_string(),
              Text(node, "configId"));
  }
}

}  // namespace tallyman
