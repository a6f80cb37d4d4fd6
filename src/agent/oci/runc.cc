#include "agent/oci/runc.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <csignal>
#include <sstream>

#include "agent/file.h"
#include "base/checked.h"

namespace tallyman {
namespace {

namespace json = boost::json;

constexpr std::chrono::seconds kAfterKill(20);
constexpr std::chrono::seconds kToolTimeout(60);

// Waits until the process has ended; false when the patience came to its end first.
Job<bool> AwaitEnd(ProcessMark mark, std::chrono::milliseconds patience) {
  FileDescriptor process(static_cast<int>(::syscall(SYS_pidfd_open, mark.pid, 0)));
  if (!process.is_open() || MarkOf(mark.pid) != mark) co_return true;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  bool ended = false;
  co_await Await([&] {
    pollfd waiting{process.get(), POLLIN, 0};
    ended = ::poll(&waiting, 1, 0) > 0;
    return ended || std::chrono::steady_clock::now() >= deadline;
  });
  co_return ended;
}

// The last of what runc wrote to its log file, for the error of a tool whose outputs are the
// container's.
std::string LastMessage(const std::filesystem::path& log) {
  auto text = ReadFile(log);
  return text ? *text : std::string();
}

Error Unreadable(std::string why) {
  return DataLoss("CONTAINER_UNREADABLE",
                  fmt::format("runc's record of the container cannot be read ({}): stop the node, "
                              "or start it anew, and it is written again",
                              why));
}

// Kills what runc started in the container when nobody waits for it any more.
class ExecGuard {
 public:
  ExecGuard(std::filesystem::path pid_file, std::string part)
      : pid_file_(std::move(pid_file)), part_(std::move(part)) {}
  ~ExecGuard() {
    if (!ended_) {
      auto text = ReadFile(pid_file_);
      auto pid = text ? ParseInt64(*text) : std::nullopt;
      if (pid && *pid > 1) KillInGroup(static_cast<pid_t>(*pid), part_);
    }
    (void)RemoveTree(pid_file_);
  }
  ExecGuard(const ExecGuard&) = delete;
  ExecGuard& operator=(const ExecGuard&) = delete;
  void HasEnded() { ended_ = true; }

 private:
  std::filesystem::path pid_file_;
  std::string part_;
  bool ended_ = false;
};

}  // namespace

std::optional<ProcessMark> MarkOf(pid_t pid) {
  auto text = ReadFile(fmt::format("/proc/{}/stat", pid));
  // The name, in parentheses, may have anything in it; the state is what follows (proc(5)).
  size_t end = text ? text->rfind(") ") : std::string::npos;
  if (end == std::string::npos) return std::nullopt;
  std::istringstream words(text->substr(end + 2));
  std::string word;
  words >> word;
  if (word == "Z" || word == "X") return std::nullopt;
  for (int i = 3; i < 21; ++i) words >> word;
  int64_t started = 0;
  words >> started;
  return ProcessMark{.pid = pid, .started = started};
}

Result<Runc::Record> Runc::ReadRecord(const std::string& text) const {
  boost::system::error_code error;
  json::value parsed = json::parse(text, error);
  const json::object* object = error ? nullptr : parsed.if_object();
  const json::value* pid = object == nullptr ? nullptr : object->if_contains("init_process_pid");
  const json::value* started =
      object == nullptr ? nullptr : object->if_contains("init_process_start");
  if (pid == nullptr || started == nullptr || !pid->is_int64() || !started->is_int64())
    return Fail(Unreadable(text.empty() ? "it is empty" : "it is not what runc writes"));
  Record record{.first = {static_cast<pid_t>(pid->as_int64()), started->as_int64()},
                .made_from = {}};
  // The annotations are labels there, each KEY=VALUE.
  json::object annotations;
  const json::value* labels = parsed.find_pointer("/config/labels", error);
  if (!error && labels != nullptr && labels->is_array()) {
    for (const json::value& label : labels->as_array()) {
      std::string_view line = label.is_string() ? std::string_view(label.as_string()) : "";
      size_t equals = line.find('=');
      if (equals != std::string_view::npos)
        annotations[line.substr(0, equals)] = json::string(line.substr(equals + 1));
    }
  }
  if (auto installed = ReadAnnotations(json::serialize(annotations)))
    record.made_from = std::move(*installed);
  return record;
}

Result<std::optional<Container>> Runc::Find(const NodeId& id) const {
  const std::filesystem::path directory = root_ / id.ToString();
  struct stat info{};
  if (::stat((directory / "state.json").c_str(), &info) != 0) return std::nullopt;
  const int64_t changed = info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec;
  Container container{.node_id = id, .first = {}, .running = false, .made_from = {}};
  {
    std::lock_guard lock(mutex_);
    auto known = cache_.find(id);
    if (known == cache_.end() || known->second.file != info.st_ino ||
        known->second.changed != changed) {
      cache_.erase(id);
      ASSIGN_OR_RETURN(std::string text, ReadFile(directory / "state.json"));
      ASSIGN_OR_RETURN(Record record, ReadRecord(text));
      known = cache_.emplace(id, Cached{info.st_ino, changed, std::move(record)}).first;
    }
    container.first = known->second.record.first;
    container.made_from = known->second.record.made_from;
  }
  // Until it is started, its first process waits at this pipe.
  std::error_code error;
  container.running = !std::filesystem::exists(directory / "exec.fifo", error) &&
                      MarkOf(container.first.pid) == container.first;
  return container;
}

std::vector<NodeId> Runc::List() const {
  std::vector<NodeId> ids;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(root_, error)) {
    if (auto id = NodeId::Parse(entry.path().filename().string())) ids.push_back(*id);
  }
  return ids;
}

Job<void> Runc::Run(NodeId id, std::filesystem::path bundle, std::filesystem::path log_file,
                    int lock) const {
  std::filesystem::path said = bundle / "runc.log";
  CO_RETURN_IF_ERROR(RemoveTree(said));
  std::vector<std::string> arguments = {"runc",          "--root",     root_.string(), "--log",
                                        said.string(),   "run",        "-d",           "--bundle",
                                        bundle.string(), id.ToString()};
  ProcessOptions options{
      .timeout = kToolTimeout, .output_file = log_file.string(), .inherited = lock};
  CO_ASSIGN_OR_RETURN(ProcessResult result, co_await RunProcessJob(arguments, options));
  if (result.exit_status == 0) co_return Status();
  result.err = LastMessage(said);
  co_return Fail(ToolFailed(arguments, result));
}

Job<void> Runc::End(NodeId id, int signal, std::chrono::milliseconds grace) const {
  std::optional<ProcessMark> first;
  if (auto container = Find(id)) {
    if (!*container || !(*container)->running) co_return Status();
    first = (*container)->first;
  } else if (auto pid = GroupOf(id).FindInit()) {
    first = MarkOf(*pid);
  }
  if (!first) co_return Status();
  FileDescriptor process(static_cast<int>(::syscall(SYS_pidfd_open, first->pid, 0)));
  if (process.is_open() && MarkOf(first->pid) == first)
    ::syscall(SYS_pidfd_send_signal, process.get(), signal, nullptr, 0);
  CO_ASSIGN_OR_RETURN(bool ended, co_await AwaitEnd(*first, grace));
  if (ended) co_return Status();
  for (pid_t pid : GroupOf(id).Processes()) KillInGroup(pid, id.ToString());
  CO_ASSIGN_OR_RETURN(ended, co_await AwaitEnd(*first, kAfterKill));
  if (ended) co_return Status();
  co_return Fail(Error(Code::kUnavailable, "CONTAINER_NOT_STOPPED",
                       fmt::format("container {} does not end, not even by SIGKILL: its process {} "
                                   "hangs in the kernel; it is tried again",
                                   id.ToString(), first->pid)));
}

Job<void> Runc::Clear(NodeId id) const {
  CO_RETURN_IF_ERROR(co_await GroupOf(id).Clear(kAfterKill));
  {
    std::lock_guard lock(mutex_);
    cache_.erase(id);
  }
  co_return RemoveTree(root_ / id.ToString());
}

Job<ProcessResult> Runc::Exec(NodeId id, std::vector<std::string> command,
                              std::chrono::milliseconds timeout) const {
  std::filesystem::path pid_file = root_ / (id.ToString() + ".exec");
  CO_RETURN_IF_ERROR(RemoveTree(pid_file));
  ExecGuard guard(pid_file, id.ToString());
  std::vector<std::string> arguments = {"runc",       "--root",          root_.string(), "exec",
                                        "--pid-file", pid_file.string(), id.ToString()};
  arguments.insert(arguments.end(), command.begin(), command.end());
  ProcessOptions options{.timeout = timeout};
  CO_ASSIGN_OR_RETURN(ProcessResult result, co_await RunProcessJob(arguments, options));
  guard.HasEnded();
  co_return result;
}

}  // namespace tallyman
