#include "agent/oci/isolation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/oci/bundle.h"
#include "agent/oci/seccomp.h"

namespace tallyman::agent::oci {
namespace {

namespace json = boost::json;

HostBounds Host() {
  return {.cpu_cores = 8, .tasks_max = 32'768, .files_max = 500'000, .machine = "x86_64"};
}

// Of an image that asks for everything, with what an earlier release wrote.
constexpr std::string_view kConfig = R"({"hostname":"node-1",
  "process":{"user":{"uid":7,"gid":8,"umask":0},"noNewPrivileges":false,
    "capabilities":{"ambient":["CAP_SYS_ADMIN"]},"rlimits":[{"type":"RLIMIT_CORE"}]},
  "mounts":[{"destination":"/sys","options":["rw"]},{"destination":"/data"},
    {"destination":"/etc/resolv.conf","type":"bind","source":"/etc/resolv.conf"}],
  "linux":{"maskedPaths":[],"devices":[{"path":"/dev/sda"}],"sysctl":{"kernel.msgmax":"1"},
    "namespaces":[{"type":"network"}],
    "resources":{"devices":[{"allow":true}],"memory":{"limit":5}}},
  "annotations":{"tallyman.node_id":"01900000-0000-7000-8000-000000000001",
    "tallyman.config_id":"01900000-0000-7000-8000-000000000002",
    "tallyman.image_id":"01900000-0000-7000-8000-000000000003",
    "tallyman.cpu_cores":"2","tallyman.memory_bytes":"1073741824",
    "tallyman.disk_bytes":"1073741824"}})";

NodePlaces Places() {
  NodePlaces places("/data", "/boot", NodeId());
  places.info = "/d/info";
  return places;
}

json::object Isolated(const HostBounds& host = Host()) {
  auto isolated = Isolate(kConfig, Places(), host);
  EXPECT_TRUE(isolated.has_value()) << isolated.error().message;
  return isolated ? json::parse(isolated->config_json).as_object() : json::object();
}

const json::object* MountAt(const json::object& config, std::string_view destination) {
  for (const json::value& mount : config.at("mounts").as_array())
    if (std::string_view(mount.at("destination").as_string()) == destination)
      return &mount.as_object();
  return nullptr;
}

bool Has(const json::value& array, std::string_view text) {
  return std::ranges::find(array.as_array(), json::value(text)) != array.as_array().end();
}

TEST(Isolate, TakesTheImagesWordForNothingThatIsolates) {
  const json::object config = Isolated();
  const json::value& process = config.at("process");
  EXPECT_EQ(process.at("noNewPrivileges"), true);
  EXPECT_FALSE(process.at("capabilities").as_object().contains("ambient"));
  EXPECT_FALSE(process.at("capabilities").as_object().contains("inheritable"));
  EXPECT_EQ(process.at("capabilities").at("bounding").as_array().size(), 9u);
  EXPECT_EQ(process.at("user").at("umask").as_int64(), 0022);
  EXPECT_EQ(process.at("user").at("uid").as_int64(), 7);
  const json::value& container = config.at("linux");
  EXPECT_TRUE(Has(container.at("maskedPaths"), "/proc/kcore"));
  EXPECT_TRUE(Has(container.at("readonlyPaths"), "/proc/sysrq-trigger"));
  EXPECT_FALSE(container.as_object().contains("devices"));
  EXPECT_FALSE(container.as_object().contains("sysctl"));
  EXPECT_EQ(container.at("resources").at("devices").at(0).at("allow"), false);
  EXPECT_EQ(container.at("resources").at("memory").at("limit").as_int64(), 5);
  EXPECT_EQ(container.at("resources").at("pids").at("limit").as_int64(), 6144);
  EXPECT_TRUE(container.as_object().contains("seccomp"));
  EXPECT_TRUE(Has(MountAt(config, "/sys")->at("options"), "ro"));
}

TEST(Isolate, ThereIsANamespaceForAllButNetworkAndUsers) {
  EXPECT_EQ(json::serialize(Isolated().at("linux").at("namespaces")),
            R"([{"type":"pid"},{"type":"ipc"},{"type":"uts"},{"type":"mount"},{"type":"cgroup"}])");
}

TEST(Isolate, AUserNamespaceHasItsRangeAndSeesMappedMounts) {
  const std::string ids = R"([{"containerID":0,"hostID":1879048192,"size":65536}])";
  NodePlaces places = Places();
  json::object config = json::parse(kConfig).as_object();
  config["mounts"] = json::array{
      json::object{{"destination", "/data"}, {"source", (places.volumes() / "data").string()}}};
  const std::string plain = json::serialize(config);
  auto mapped = Isolate(plain, places, Host(), kFirstUserRange);
  ASSERT_TRUE(mapped.has_value()) << mapped.error().message;
  config = json::parse(mapped->config_json).as_object();
  EXPECT_EQ(config.at("linux").at("namespaces").as_array().back().at("type"), "user");
  EXPECT_EQ(json::serialize(config.at("linux").at("uidMappings")), ids);
  EXPECT_EQ(json::serialize(config.at("linux").at("gidMappings")), ids);
  EXPECT_EQ(config.at("root").at("path"), json::value(places.mapped_root().string()));
  EXPECT_EQ(MountAt(config, "/sys")->at("source"), json::value(places.mapped_sys().string()));
  EXPECT_EQ(MountAt(config, "/data")->at("source"),
            json::value((places.mapped_disk() / "volumes" / "data").string()));
  // And back.
  auto without = Isolate(mapped->config_json, places, Host());
  auto never = Isolate(plain, places, Host());
  ASSERT_TRUE(without.has_value() && never.has_value());
  EXPECT_TRUE(json::parse(without->config_json) == json::parse(never->config_json));
}

TEST(Isolate, KeepsTheMountsOfTheNode) {
  const json::object config = Isolated();
  EXPECT_NE(MountAt(config, "/data"), nullptr);
  for (const char* name : {"hosts", "hostname", "resolv.conf"}) {
    const json::object* mount = MountAt(config, std::string("/etc/") + name);
    ASSERT_NE(mount, nullptr) << name;
    EXPECT_EQ(std::string(mount->at("source").as_string()), std::string("/d/info/etc/") + name);
    EXPECT_TRUE(Has(mount->at("options"), "ro"));
  }
}

TEST(Isolate, SharedMemoryIsHalfOfTheNodesMemory) {
  EXPECT_TRUE(Has(MountAt(Isolated(), "/dev/shm")->at("options"), "size=536870912"));
}

TEST(Isolate, HandsOnNoMoreFilesThanItMayItself) {
  auto files = [](const HostBounds& host) {
    return Isolated(host).at("process").at("rlimits").at(1);
  };
  EXPECT_EQ(files(Host()).at("soft").to_number<uint64_t>(), 65'536u);
  EXPECT_EQ(files(Host()).at("hard").to_number<uint64_t>(), 500'000u);
  HostBounds narrow = Host();
  narrow.files_max = 1024;
  EXPECT_EQ(files(narrow).at("soft").to_number<uint64_t>(), 1024u);
  EXPECT_EQ(files(narrow).at("hard").to_number<uint64_t>(), 1024u);
}

TEST(Isolate, ChangesNothingASecondTime) {
  auto once = Isolate(kConfig, Places(), Host());
  ASSERT_TRUE(once.has_value()) << once.error().message;
  auto twice = Isolate(once->config_json, Places(), Host());
  ASSERT_TRUE(twice.has_value()) << twice.error().message;
  EXPECT_EQ(twice->config_json, once->config_json);
}

TEST(Isolate, LeavesWhatTheNodeIsAsItIs) {
  auto isolated = Isolate(kConfig, Places(), Host());
  ASSERT_TRUE(isolated.has_value()) << isolated.error().message;
  EXPECT_EQ(isolated->host_name, "node-1");
  auto installed = ReadInstalled(isolated->config_json);
  ASSERT_TRUE(installed.has_value()) << installed.error().message;
  EXPECT_EQ(installed->resources.cpu_cores, 2);
}

TEST(Isolate, SaysWhenAConfigIsDamaged) {
  for (const char* text : {"", "{}", "nonsense"}) {
    auto damaged = Isolate(text, Places(), Host());
    ASSERT_FALSE(damaged.has_value()) << text;
    EXPECT_EQ(damaged.error().reason, "CONTAINER_UNREADABLE");
  }
}

TEST(TasksMax, IsAShareByCoresOfWhatTheHostCanNumber) {
  EXPECT_EQ(TasksMax(1, Host()), 3072);
  EXPECT_EQ(TasksMax(8, Host()), 24'576);
  // More cores than the host has are all of them; what is very little is too little to run.
  EXPECT_EQ(TasksMax(100, Host()), 24'576);
  EXPECT_EQ(TasksMax(1, {.cpu_cores = 256, .tasks_max = 32'768}), 512);
  EXPECT_EQ(TasksMax(1, {.cpu_cores = 1, .tasks_max = 400}), 300);
}

TEST(ReadHostBounds, FindsThoseOfThisHost) {
  const HostBounds host = ReadHostBounds();
  EXPECT_GE(host.cpu_cores, 1);
  EXPECT_GE(host.tasks_max, 301);  // the least that kernel.pid_max can be
  EXPECT_FALSE(host.machine.empty());
}

// What becomes of a call, whatever its arguments: the action of the first rule that has no
// conditions, or "" when all have some.
std::string ActionFor(const json::object& profile, std::string_view name) {
  for (const json::value& rule : profile.at("syscalls").as_array()) {
    if (!Has(rule.at("names"), name)) continue;
    const json::value* conditions = rule.as_object().if_contains("args");
    if (conditions != nullptr && !conditions->as_array().empty()) return "";
    return std::string(rule.at("action").as_string());
  }
  return std::string(profile.at("defaultAction").as_string());
}

TEST(SeccompProfile, AllowsWhatIsOnItsListAndNothingElse) {
  const json::object profile = SeccompProfile("x86_64");
  for (const char* name : {"read", "openat", "execve", "futex", "clock_adjtime", "setresuid32"})
    EXPECT_EQ(ActionFor(profile, name), "SCMP_ACT_ALLOW") << name;
  for (const char* name : {"mount", "unshare", "setns", "bpf", "keyctl", "io_uring_setup", "reboot",
                           "clone3", "socketcall", "open_by_handle_at", "of-the-year-2040"})
    EXPECT_EQ(ActionFor(profile, name), "SCMP_ACT_ERRNO") << name;
  for (const char* name : {"clone", "socket", "personality"})
    EXPECT_EQ(ActionFor(profile, name), "") << name;
  EXPECT_EQ(profile.at("defaultErrnoRet").as_int64(), 1);
}

TEST(SeccompProfile, NamesEachCallOnce) {
  std::vector<std::string> names;
  const json::object profile = SeccompProfile("x86_64");
  for (const json::value& rule : profile.at("syscalls").as_array()) {
    const json::array& of_rule = rule.at("names").as_array();
    if (of_rule.size() == 1) continue;
    for (const json::value& name : of_rule) names.emplace_back(name.as_string());
  }
  std::ranges::sort(names);
  auto twice = std::ranges::adjacent_find(names);
  EXPECT_EQ(twice, names.end()) << (twice == names.end() ? "" : *twice);
  EXPECT_EQ(std::ranges::count(names, ""), 0);
}

TEST(SeccompProfile, IsForTheKindOfTheHost) {
  EXPECT_EQ(json::serialize(SeccompProfile("x86_64").at("architectures")),
            R"(["SCMP_ARCH_X86_64","SCMP_ARCH_X86"])");
  EXPECT_EQ(json::serialize(SeccompProfile("aarch64").at("architectures")),
            R"(["SCMP_ARCH_AARCH64","SCMP_ARCH_ARM"])");
  EXPECT_EQ(json::serialize(SeccompProfile("riscv64").at("architectures")), "[]");
}

}  // namespace
}  // namespace tallyman::agent::oci
