#include "agent/oci/runc.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <csignal>
#include <sstream>

#include "agent/file.h"
#include "base/checked.h"
#include "base/text.h"

namespace tallyman::agent::oci {
namespace {

namespace json = boost::json;

constexpr std::chrono::seconds kAfterKill(20);
// A monitor gives up after a minute.
constexpr std::chrono::seconds kStartTimeout(70);

// Waits until the process has ended; false when the patience was over first.
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

constexpr std::chrono::seconds kMonitorPatience(3);

std::optional<ProcessMark> ReadMark(const std::filesystem::path& file) {
  auto text = ReadFile(file);
  if (!text) return std::nullopt;
  std::istringstream words(*text);
  ProcessMark mark;
  words >> mark.pid >> mark.started;
  return words && mark.pid > 1 ? std::optional(mark) : std::nullopt;
}

bool IsAlive(const std::optional<ProcessMark>& mark) { return mark && MarkOf(mark->pid) == mark; }

bool Exists(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::exists(std::filesystem::symlink_status(path, error));
}

Error Unreadable(std::string why) {
  return DataLoss("CONTAINER_UNREADABLE",
                  fmt::format("runc's record of the container cannot be read ({}): stop or restart "
                              "the node, and runc writes it again",
                              why));
}

// Kills the command that runc started in the container when nobody waits for it any more.
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
  // The name, in parentheses, may contain anything; the state follows it (proc(5)).
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
  Record record{.first = {static_cast<pid_t>(pid->as_int64()), started->as_int64()}};
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

Result<std::optional<Container>> Runc::Find(const NodeId& id, const NodePlaces& places) const {
  const std::filesystem::path directory = options_.root / id.ToString();
  struct stat info{};
  if (::stat((directory / "state.json").c_str(), &info) != 0) return std::nullopt;
  const int64_t changed = info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec;
  Container container{.node_id = id, .running = false};
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
  if (Exists(directory / "exec.fifo")) return container;
  container.running = MarkOf(container.first.pid) == container.first ||
                      (!Exists(places.life / "end") && IsAlive(ReadMark(places.life / "monitor")));
  return container;
}

std::vector<NodeId> Runc::List() const {
  std::vector<NodeId> ids;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(options_.root, error)) {
    if (auto id = NodeId::Parse(entry.path().filename().string())) ids.push_back(*id);
  }
  return ids;
}

std::vector<std::string> Runc::MonitorWords(const NodeId& id, const NodePlaces& places) const {
  std::vector<std::string> words = {options_.monitor_program.string(),
                                    "--directory",
                                    places.life.string(),
                                    "--log",
                                    places.output.string(),
                                    "--segment-bytes",
                                    std::to_string(options_.segment_bytes),
                                    "--oom-file",
                                    GroupOf(id).OomFile().string()};
  for (const auto& group : ControlGroup(options_.cgroup_parent + "/monitor").Directories()) {
    words.emplace_back("--group");
    words.push_back(group.string());
  }
  return words;
}

Job<void> Runc::Run(NodeId id, NodePlaces places, int lock, std::optional<UserRange> users) const {
  const std::filesystem::path said = places.bundle / "runc.log";
  CO_RETURN_IF_ERROR(RemoveTree(said));
  CO_RETURN_IF_ERROR(RemoveTree(places.life));
  CO_RETURN_IF_ERROR(MakeDirectories(places.life));
  std::vector<std::string> words = MonitorWords(id, places);
  if (users) {
    words.emplace_back("--owner");
    words.push_back(std::to_string(users->first));
  }
  const std::vector<std::string> also = {"--lock",     std::to_string(lock),
                                         "--",         "runc",
                                         "--root",     options_.root.string(),
                                         "--log",      said.string(),
                                         "run",        "-d",
                                         "--pid-file", (places.life / "pid").string(),
                                         "--bundle",   places.bundle.string(),
                                         id.ToString()};
  words.insert(words.end(), also.begin(), also.end());
  ProcessOptions options{.timeout = kStartTimeout, .inherited = lock};
  CO_ASSIGN_OR_RETURN(ProcessResult result, co_await RunProcessJob(words, options));
  if (result.exit_status == 0) co_return Status();
  // The command's own outputs are the container's.
  if (auto text = ReadFile(said); text && !text->empty()) result.err = *text;
  const std::vector<std::string> command(words.end() - 12, words.end());
  co_return Fail(ToolFailed(command, result));
}

Status Runc::KeepWatched(const Container& container, const NodePlaces& places) const {
  // A container of an earlier release has no pipes to read.
  if (!Exists(places.life / "out") || Exists(places.life / "end") ||
      IsAlive(ReadMark(places.life / "monitor")))
    return {};
  std::vector<std::string> words = MonitorWords(container.node_id, places);
  const std::vector<std::string> also = {"--pid", std::to_string(container.first.pid), "--started",
                                         std::to_string(container.first.started)};
  words.insert(words.end(), also.begin(), also.end());
  RETURN_IF_ERROR(RunTool(words));
  return {};
}

std::optional<ReportedEnd> Runc::FindEnd(const NodePlaces& places) const {
  auto text = ReadFile(places.life / "end");
  const size_t line = text ? text->find('\n') : std::string::npos;
  if (line == std::string::npos) return std::nullopt;
  std::istringstream words(text->substr(0, line));
  ReportedEnd end;
  int64_t at = 0;
  int known = 0;
  words >> end.exit_code >> end.signal >> at >> end.out_of_memory >> known;
  if (!words || known == 0) return std::nullopt;
  end.at = Time(std::chrono::microseconds(at));
  end.output = ValidUtf8(std::string_view(*text).substr(line + 1));
  return end;
}

Job<void> Runc::End(NodeId id, NodePlaces places, int signal,
                    std::chrono::milliseconds grace) const {
  std::optional<ProcessMark> first;
  if (auto container = Find(id, places)) {
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
                       fmt::format("container {} survives SIGKILL: its process {} hangs in the "
                                   "kernel; the agent tries again",
                                   id.ToString(), first->pid)));
}

Job<void> Runc::Clear(NodeId id, NodePlaces places) const {
  CO_RETURN_IF_ERROR(co_await GroupOf(id).Clear(kAfterKill));
  // The monitor ends after it has recorded the container's end.
  if (auto monitor = ReadMark(places.life / "monitor")) {
    CO_ASSIGN_OR_RETURN(bool ended, co_await AwaitEnd(*monitor, kMonitorPatience));
    if (!ended && IsAlive(monitor)) ::kill(monitor->pid, SIGKILL);
  }
  {
    std::lock_guard lock(mutex_);
    cache_.erase(id);
  }
  co_return RemoveTree(options_.root / id.ToString());
}

Job<ProcessResult> Runc::Exec(NodeId id, std::vector<std::string> command,
                              std::chrono::milliseconds timeout,
                              std::optional<UserRange> users) const {
  std::filesystem::path pid_file = options_.root / (id.ToString() + ".exec");
  CO_RETURN_IF_ERROR(RemoveTree(pid_file));
  ExecGuard guard(pid_file, id.ToString());
  std::vector<std::string> arguments = {"runc",       "--root",     options_.root.string(),
                                        "exec",       "--pid-file", pid_file.string(),
                                        id.ToString()};
  arguments.insert(arguments.end(), command.begin(), command.end());
  ProcessOptions options{.timeout = timeout};
  if (users) options.output_owner = users->first;
  CO_ASSIGN_OR_RETURN(ProcessResult result, co_await RunProcessJob(arguments, options));
  guard.HasEnded();
  co_return result;
}

Status TakeOverRecords(const std::filesystem::path& old_root, const std::filesystem::path& root) {
  if (!Exists(old_root)) return {};
  const Runc old({.root = old_root});
  for (const NodeId& id : old.List()) {
    auto container = old.Find(id, NodePlaces(old_root, old_root, id));
    if (!container || !*container || !(*container)->running || Exists(root / id.ToString()))
      continue;
    // The pid may belong to another process, of a later boot, that started at the same moment after
    // that boot.
    auto groups = ReadFile(fmt::format("/proc/{}/cgroup", (*container)->first.pid));
    if (!groups || groups->find(id.ToString()) == std::string::npos) continue;
    ASSIGN_OR_RETURN(std::string record, ReadFile(old_root / id.ToString() / "state.json"));
    RETURN_IF_ERROR(MakeDirectories(root / id.ToString()));
    RETURN_IF_ERROR(WriteFileAtomically(root / id.ToString() / "state.json", record, 0600));
  }
  return RemoveTree(old_root);
}

}  // namespace tallyman::agent::oci
