#include "agent/oci/runc.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <csignal>

#include "agent/file.h"
#include "agent/oci/process.h"
#include "base/checked.h"

namespace tallyman {
namespace {

namespace json = boost::json;

constexpr std::chrono::seconds kAfterKill(20);
constexpr std::chrono::seconds kToolTimeout(60);

Result<Container> ReadContainer(const json::value& value) {
  const json::object* object = value.if_object();
  const json::value* id = object == nullptr ? nullptr : object->if_contains("id");
  const json::value* status = object == nullptr ? nullptr : object->if_contains("status");
  const json::value* pid = object == nullptr ? nullptr : object->if_contains("pid");
  auto node = id != nullptr && id->is_string() ? NodeId::Parse(std::string_view(id->as_string()))
                                               : std::nullopt;
  if (!node || status == nullptr || pid == nullptr || !pid->is_int64())
    return Fail(DataLoss("CONTAINER_UNREADABLE", "runc lists a container that is not of a node"));
  Container container{.node_id = *node,
                      .pid = static_cast<pid_t>(pid->as_int64()),
                      .running = *status == "running" || *status == "paused",
                      .made_from = {}};
  if (const json::value* annotations = object->if_contains("annotations")) {
    auto installed = ReadAnnotations(json::serialize(*annotations));
    if (installed) container.made_from = std::move(*installed);
  }
  return container;
}

// Waits until the process has ended; false when the patience came to its end first.
bool AwaitEnd(pid_t pid, std::chrono::milliseconds patience) {
  FileDescriptor process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!process.is_open()) return true;
  pollfd waiting{process.get(), POLLIN, 0};
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (true) {
    auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    if (::poll(&waiting, 1, static_cast<int>(left.count())) > 0) return true;
  }
}

// The last of what runc wrote to its log file, for the error of a tool whose outputs are the
// container's.
std::string LastMessage(const std::filesystem::path& log) {
  auto text = ReadFile(log);
  return text ? *text : std::string();
}

}  // namespace

std::vector<std::string> Runc::Command(std::initializer_list<std::string> words) const {
  std::vector<std::string> arguments = {"runc", "--root", root_.string()};
  arguments.insert(arguments.end(), words);
  return arguments;
}

Status Runc::Run(const NodeId& id, const std::filesystem::path& bundle,
                 const std::filesystem::path& log_file, int lock) const {
  std::filesystem::path said = bundle / "runc.log";
  RETURN_IF_ERROR(RemoveTree(said));
  std::vector<std::string> arguments = {"runc",          "--root",     root_.string(), "--log",
                                        said.string(),   "run",        "-d",           "--bundle",
                                        bundle.string(), id.ToString()};
  ProcessOptions options{
      .timeout = kToolTimeout, .output_file = log_file.string(), .inherited = lock};
  ASSIGN_OR_RETURN(ProcessResult result, RunProcess(arguments, options));
  if (result.exit_status == 0) return {};
  result.err = LastMessage(said);
  return Fail(ToolFailed(arguments, result));
}

Status Runc::Delete(const NodeId& id) const {
  RETURN_IF_ERROR(RunTool(Command({"delete", "--force", id.ToString()})));
  // A container that was killed while it was being made has no state; then this is all of it.
  return RemoveTree(root_ / id.ToString());
}

Status Runc::StopAndDelete(const NodeId& id) const {
  ASSIGN_OR_RETURN(std::optional<Container> container, Find(id));
  std::error_code error;
  if (!container && !std::filesystem::exists(root_ / id.ToString(), error)) return {};
  if (container && container->running) {
    InstalledNode defaults;
    const InstalledNode& made_from = container->made_from ? *container->made_from : defaults;
    // The signal may come too late or be none that exists: all that counts is whether it ends.
    auto asked = RunTool(Command({"kill", id.ToString(), made_from.stop_signal}));
    const auto grace = asked ? made_from.stop_grace : std::chrono::seconds(1);
    if (!AwaitEnd(container->pid, grace)) {
      RETURN_IF_ERROR(RunTool(Command({"kill", "--all", id.ToString(), "KILL"})));
      if (!AwaitEnd(container->pid, kAfterKill)) {
        return Fail(Internal("CONTAINER_NOT_STOPPED",
                             fmt::format("container {} does not end, not even by SIGKILL: its "
                                         "process {} hangs in the kernel",
                                         id.ToString(), container->pid)));
      }
    }
  }
  return Delete(id);
}

Result<int> Runc::Exec(const NodeId& id, const std::vector<std::string>& command,
                       std::chrono::milliseconds timeout) const {
  std::filesystem::path pid_file = root_ / (id.ToString() + ".exec");
  RETURN_IF_ERROR(RemoveTree(pid_file));
  std::vector<std::string> arguments =
      Command({"exec", "--pid-file", pid_file.string(), id.ToString()});
  arguments.insert(arguments.end(), command.begin(), command.end());
  auto result = RunProcess(arguments, {.timeout = timeout});
  auto pid = ReadFile(pid_file);
  RETURN_IF_ERROR(RemoveTree(pid_file));
  if (result) return result->exit_status;
  // Without runc the command would go on in the container.
  auto number = pid ? ParseInt64(*pid) : std::nullopt;
  if (number && *number > 1) {
    auto groups = ReadFile(fmt::format("/proc/{}/cgroup", *number));
    if (groups && groups->find(id.ToString()) != std::string::npos)
      ::kill(static_cast<pid_t>(*number), SIGKILL);
  }
  return Fail(result.error());
}

Result<std::optional<Container>> Runc::Find(const NodeId& id) const {
  std::error_code error;
  if (!std::filesystem::exists(root_ / id.ToString() / "state.json", error)) return std::nullopt;
  ASSIGN_OR_RETURN(std::string text, RunTool(Command({"state", id.ToString()})));
  json::value parsed = json::parse(text, error);
  if (error) return Fail(DataLoss("CONTAINER_UNREADABLE", "runc state did not print JSON"));
  return ReadContainer(parsed);
}

Result<std::vector<Container>> Runc::List() const {
  std::vector<Container> containers;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(root_, error)) {
    auto id = NodeId::Parse(entry.path().filename().string());
    if (!id) continue;
    ASSIGN_OR_RETURN(std::optional<Container> container, Find(*id));
    if (container) containers.push_back(std::move(*container));
  }
  return containers;
}

}  // namespace tallyman
