#include "main/agent_options.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/reasons.h"
#include "base/text.h"
#include "main/option_words.h"

namespace tallyman::app {
namespace {

constexpr int64_t kSecondsMax = 24 * 3600;
constexpr int64_t kImageRoomGbMax = 100'000;

constexpr const char* kFooter = R"(
The first start joins the fleet, as root on the machine that will run nodes:
  tallyman -q token create rack-7 --role join >join-token   (an admin, where the fleet is managed;
                                                            --host HOST for an existing host)
  tallyman agent --server https://tallyman.example --data /var/lib/tallyman-agent \
    --join-token-file join-token
Later starts need no token: the host's own is kept in DIR/host-token.

Containers outlive the agent: stop it, update it, start it again: the nodes keep running. Before a
machine goes down, "tallyman agent --stop-nodes --data DIR" stops them; with the package, systemd
does that. The agent needs runc, skopeo, umoci, zstd, e2fsprogs, and control groups with cpu, memory
and pids. On a machine without these, --runtime simulated accepts the commands and only
simulates them.)";

struct TypedAgentOptions {
  std::string data;
  std::string log = "text";
  std::string runtime = "oci";
  std::string disks = "preallocated";
  std::vector<std::string> plain_http;
  int64_t poll_seconds = 30;
  int64_t status_seconds = 30;
  int64_t health_seconds = 300;
  int64_t settle_seconds = 2;
  int64_t retry_seconds = 600;
};

void Define(CLI::App& app, AgentSettings& settings, TypedAgentOptions& typed) {
  app.footer(kFooter);
  app.add_option("--server", settings.server,
                 "The control plane, https://HOST[:PORT]; default: TALLYMAN_SERVER");
  app.add_option("--data", typed.data, "Directory for images, disks, the journal and the token");
  app.add_option("--join-token-file", settings.join_token_file,
                 "File with the join token, for the first start; default: TALLYMAN_JOIN_TOKEN");
  app.add_flag("--rejoin", settings.rejoin,
               "Rejoin as the same host after its own token was revoked or lost");
  app.add_flag("--stop-nodes", settings.stop_nodes,
               "For a shutdown, after the agent has stopped: stop all nodes of --data, each with "
               "its own signal and grace period, and exit; the next agent starts them again");
  app.add_option("--ca", settings.ca_file, "Certificates to trust, PEM; default: the system's");
  app.add_flag("--insecure", settings.insecure,
               "Plain HTTP to another machine: anyone on the network path can read the token");
  app.add_option("--log", typed.log, "text or json")->capture_default_str();
  app.add_option("--runtime", typed.runtime, "oci: containers; simulated: nothing really runs")
      ->capture_default_str();
  app.add_option("--registry-authfile", settings.registries.authfile,
                 "Credentials of registries, as \"skopeo login --authfile\" writes them");
  app.add_option("--registry-plain-http", typed.plain_http,
                 "A registry to reach without TLS, HOST[:PORT]; may be repeated. Without a value: "
                 "all registries")
      ->expected(0, 1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--image-room-gb", settings.image_room_gb,
                 "Space for images, reserved on the disk at the first start; default: a share of "
                 "the disk. It never shrinks")
      ->check(CLI::Range(int64_t{1}, kImageRoomGbMax));
  app.add_option("--workers", settings.loop.workers,
                 "Threads; a third each for health, for starts and stops, and for images and disks")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--disks", typed.disks,
                 "preallocated: a node's disk takes its space when it is created; thin: when it is "
                 "written, which allows overcommitment")
      ->capture_default_str();
  app.add_flag("--user-namespaces", settings.user_namespaces,
               "Each node has user ids of its own, and its root is nobody on the host: then no "
               "node can listen on a port below 1024, nor have a user id above 65535");
  app.add_option("--log-mib", settings.log_mib, "How much of a node's output is kept")
      ->check(CLI::Range(1, 16'384))
      ->capture_default_str();
  const auto seconds = [&](const char* name, int64_t& value, const char* description) {
    app.add_option(name, value, description)
        ->check(CLI::Range(int64_t{1}, kSecondsMax))
        ->capture_default_str();
  };
  seconds("--poll-seconds", typed.poll_seconds, "How often the agent polls when nothing wakes it");
  seconds("--status-seconds", typed.status_seconds, "How often the agent reports what runs");
  seconds("--stop-grace-max-seconds", settings.stop_grace_max_seconds,
          "The longest time that a node may take to stop, even if its image asks for more");
  seconds("--health-seconds", typed.health_seconds,
          "How long a new version may take to become healthy");
  seconds("--settle-seconds", typed.settle_seconds,
          "How long it must stay healthy before the change counts as done");
  seconds("--retry-seconds", typed.retry_seconds,
          "How long a step is retried after a transient error, such as an unreachable registry");
}

// Named registries are used without TLS; the option without a value means all.
void ReadPlainHttp(const TypedAgentOptions& typed, bool given,
                   agent::oci::RegistryOptions& registries) {
  for (const std::string& registry : typed.plain_http) {
    if (!registry.empty()) registries.plain_http.insert(registry);
  }
  registries.all_plain_http = given && registries.plain_http.empty();
}

// The proxy settings for tools that pull images, in upper or lower case.
void ReadProxies(const std::function<std::optional<std::string>(std::string_view)>& variable,
                 agent::oci::RegistryOptions& registries) {
  for (const char* name :
       {"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy"}) {
    if (auto value = variable(name); value && !value->empty())
      registries.variables.push_back(fmt::format("{}={}", name, *value));
  }
}

Status Read(const TypedAgentOptions& typed, AgentSettings& settings) {
  RETURN_IF_ERROR(ReadWord("--log", typed.log, settings.log));
  RETURN_IF_ERROR(ReadWord("--runtime", typed.runtime, settings.runtime));
  RETURN_IF_ERROR(ReadWord("--disks", typed.disks, settings.disks));
  std::error_code error;
  settings.data = std::filesystem::absolute(typed.data, error).lexically_normal();
  if (!settings.data.has_filename()) settings.data = settings.data.parent_path();
  // A status is told when the agent talks, which it does at least so often.
  settings.loop.poll_interval =
      std::chrono::seconds(std::min(typed.poll_seconds, typed.status_seconds));
  settings.agent.status_interval = std::chrono::seconds(typed.status_seconds);
  settings.agent.execution.health_deadline = std::chrono::seconds(typed.health_seconds);
  settings.agent.execution.settle_time = std::chrono::seconds(typed.settle_seconds);
  settings.agent.execution.retry_time = std::chrono::seconds(typed.retry_seconds);
  settings.agent.execution.undo_retry_time = std::max<std::chrono::milliseconds>(
      std::chrono::hours(1), settings.agent.execution.retry_time);
  settings.agent.lane_workers_max = std::max(1, settings.loop.workers / 3);
  settings.agent.agent_version = TALLYMAN_VERSION;
  return {};
}

}  // namespace

Result<ParsedAgentOptions> ParseAgentOptions(
    const std::vector<std::string>& arguments,
    const std::function<std::optional<std::string>(std::string_view)>& variable) {
  AgentSettings settings;
  TypedAgentOptions typed;
  CLI::App app("Run the nodes of this machine as the control plane demands", "tallyman agent");
  Define(app, settings, typed);
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    return ParsedAgentOptions{.settings = std::nullopt, .text = app.help()};
  } catch (const CLI::ParseError& e) {
    return Fail(
        InvalidArgument(kUsage, fmt::format("{}; see \"tallyman agent --help\"", Quote(e.what()))));
  }
  if (settings.server.empty()) settings.server = variable("TALLYMAN_SERVER").value_or("");
  if (settings.server.empty() && !settings.stop_nodes) {
    return Fail(InvalidArgument(
        "NO_SERVER",
        "no control plane is given: use --server https://HOST[:PORT], or set TALLYMAN_SERVER"));
  }
  if (typed.data.empty()) {
    return Fail(InvalidArgument("NO_DATA_DIRECTORY",
                                "say where images, disks and the journal go: --data "
                                "/var/lib/tallyman-agent"));
  }
  settings.join_token = variable("TALLYMAN_JOIN_TOKEN").value_or("");
  ReadPlainHttp(typed, app.count("--registry-plain-http") > 0, settings.registries);
  ReadProxies(variable, settings.registries);
  RETURN_IF_ERROR(Read(typed, settings));
  return ParsedAgentOptions{.settings = std::move(settings)};
}

}  // namespace tallyman::app
