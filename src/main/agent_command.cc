#include "main/agent_command.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <iostream>
#include <mutex>
#include <thread>

#include "agent/boot.h"
#include "agent/file.h"
#include "agent/join.h"
#include "agent/log_sender.h"
#include "agent/machine.h"
#include "agent/oci/known_holes.h"
#include "agent/oci/oci_runtime.h"
#include "agent/simulated_runtime.h"
#include "agent/sqlite_journal.h"
#include "agent/stop_all.h"
#include "agent/system_error.h"
#include "base/bytes.h"
#include "base/random.h"
#include "base/system.h"
#include "client/network_client.h"
#include "main/agent_options.h"
#include "main/signals.h"
#include "tallyman/v1/agent.pb.h"

namespace tallyman::app {
namespace {

using std::chrono::milliseconds;

// The timeout of a call; the loop retries, with its own pauses.
constexpr std::chrono::seconds kCallTimeout(15);
// How long steps in progress may take to end when the agent is asked to stop.
constexpr std::chrono::seconds kStopPatience(10);
constexpr std::chrono::seconds kJoinPauseMax(30);
constexpr const char* kJoinAdvice =
    "an admin makes a join token with \"tallyman token create NAME --role join\" (with --host HOST "
    "for an existing host); give it with --join-token-file FILE or TALLYMAN_JOIN_TOKEN";

// Held while the process lives; the kernel releases it in any case.
Result<agent::FileDescriptor> LockDirectory(const std::filesystem::path& data) {
  const std::filesystem::path path = data / "agent.lock";
  agent::FileDescriptor lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock.is_open()) return Fail(agent::SystemError("FILE_NOT_WRITTEN", path.string()));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  return Fail(
      FailedPrecondition("AGENT_RUNS",
                         fmt::format("another agent uses {}: stop it first, \"fuser {}\" shows it; "
                                     "a second agent needs its own data directory and its own host",
                                     data.string(), path.string()))
          .With("data", data.string()));
}

Result<std::unique_ptr<agent::Runtime>> OpenRuntime(const AgentSettings& settings,
                                                    std::stop_token stop) {
  if (settings.runtime == RuntimeKind::kOci) {
    return agent::oci::OciRuntime::Open(
        {.data_directory = settings.data,
         .stop_grace_max = std::chrono::seconds(settings.stop_grace_max_seconds),
         .log_bytes = settings.log_mib * kMebi,
         .thin_disks = settings.disks == DiskKind::kThin,
         .user_namespaces = settings.user_namespaces && !settings.stop_nodes,
         .registries = settings.registries,
         .image_room_bytes = settings.image_room_gb * kGiga,
         .stop = std::move(stop)});
  }
  RETURN_IF_ERROR(agent::MakeDirectories(settings.data));
  if (::chmod(settings.data.c_str(), 0700) != 0)
    return Fail(agent::SystemError("INVALID_DATA_DIRECTORY", settings.data.string()));
  ASSIGN_OR_RETURN(const Resources capacity, agent::MeasureMachine(settings.data));
  return std::make_unique<agent::SimulatedRuntime>(capacity);
}

agent::MachineFacts FactsOf(const AgentSettings& settings, const Resources& capacity) {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return {.hostname = name.data(),
          .capacity = capacity,
          .agent_version = TALLYMAN_VERSION,
          .runtime = settings.runtime == RuntimeKind::kOci ? agent::oci::OciRuntime::Version()
                                                           : "simulated"};
}

// A running agent, with its parts in order of dependency.
class Agent {
 public:
  Agent(const AgentSettings& settings, std::stop_token stop, Clock& clock, Random& random, Log& log)
      : settings_(settings), stop_(std::move(stop)), clock_(clock), random_(random), log_(log) {}

  Status Run() {
    ASSIGN_OR_RETURN(runtime_, OpenRuntime(settings_, stop_));
    if (settings_.runtime == RuntimeKind::kOci) {
      for (const std::string& hole : agent::oci::FindKnownHoles())
        log_.Write({LogLevel::kWarning, "known_hole", hole, {}});
    }
    ASSIGN_OR_RETURN(lock_, LockDirectory(settings_.data));
    ASSIGN_OR_RETURN(journal_, agent::SqliteJournal::Open((settings_.data / "journal.db").string(),
                                                          {}, agent::kJournalRoom));
    ASSIGN_OR_RETURN(std::optional<agent::HostIdentity> identity, EnsureIdentity());
    if (!identity) return {};
    ASSIGN_OR_RETURN(auto client, Connect(identity->token));
    agent::AgentCore core({*client, *journal_, *runtime_, clock_, log_}, settings_.agent);
    RETURN_IF_ERROR(core.Load());
    RETURN_IF_ERROR(SayWhatIsWrong(core));
    agent::LogSender sender(*client, *runtime_, clock_);
    agent::AgentLoop loop(core, clock_, random_, log_, settings_.loop, WatchBy(*client, sender));
    const std::jthread sending([&sender](const std::stop_token& stop) { sender.Run(stop); });
    Info(log_, "working",
         fmt::format("the agent of host {} works for {}", identity->host, settings_.server));
    loop.Run(stop_);
    return agent::EndRun(*journal_);
  }

 private:
  // Reports problems of the host that were found when its agent started.
  Status SayWhatIsWrong(agent::AgentCore& core) {
    ASSIGN_OR_RETURN(const bool went_down, agent::BeginRun(*journal_, agent::BootId()));
    if (went_down) {
      Problem(core, "unclean_boot",
              "the machine restarted without a clean stop of the agent: it lost power, crashed, or "
              "the agent was killed before a reboot");
    }
    if (!journal_->room_problem().empty()) {
      Problem(core, "journal_without_room",
              "a full disk can stop the agent, because no space is reserved for its journal: " +
                  journal_->room_problem());
    }
    return {};
  }
  void Problem(agent::AgentCore& core, const char* event, const std::string& message) {
    log_.Write({LogLevel::kWarning, event, message, {}});
    core.AddHostProblem(message);
  }

  Result<std::unique_ptr<client::NetworkClient>> Connect(const std::string& token) const {
    return client::NetworkClient::Make({.server = settings_.server,
                                        .token = token,
                                        .ca_file = settings_.ca_file,
                                        .insecure = settings_.insecure,
                                        .timeout = kCallTimeout,
                                        .retry = {.attempts_max = 1}},
                                       clock_, random_, [](milliseconds) {});
  }

  static agent::AgentLoop::Watch WatchBy(client::Client& client, agent::LogSender& sender) {
    return [&client, &sender](const std::stop_token& stop, const std::string& cursor,
                              const agent::AgentLoop::Heard& heard) {
      std::atomic<bool> stopped{false};
      const std::stop_callback on_stop(stop, [&] { stopped = true; });
      v1::WatchCommandsRequest request;
      request.set_cursor(cursor);
      return client.Stream(
          "tallyman.v1.AgentService/WatchCommands", request,
          [&](const google::protobuf::Message& message) {
            const auto& said = static_cast<const v1::WatchCommandsResponse&>(message);
            heard(said);
            for (const v1::LogRequest& asked : said.log_requests()) sender.Take(asked);
            return true;
          },
          &stopped);
    };
  }

  std::filesystem::path token_file() const { return settings_.data / "host-token"; }

  // nullopt: it was asked to stop before there was one.
  Result<std::optional<agent::HostIdentity>> EnsureIdentity() {
    ASSIGN_OR_RETURN(std::optional<agent::HostIdentity> identity,
                     agent::LoadIdentity(*journal_, token_file()));
    if (identity && !settings_.rejoin) return identity;
    ASSIGN_OR_RETURN(const std::string token, JoinToken());
    ASSIGN_OR_RETURN(const agent::Capacity capacity, runtime_->MeasureCapacity());
    // The join token goes in a message, but is as secret as one in the head: the same checks apply.
    RETURN_IF_ERROR(Connect(token));
    ASSIGN_OR_RETURN(auto client, Connect(""));
    const agent::MachineFacts facts = FactsOf(settings_, capacity.available);
    for (milliseconds pause = std::chrono::seconds(1); !stop_.stop_requested(); pause *= 2) {
      auto joined = agent::Join(*client, *journal_, secrets_, token_file(), token, facts);
      if (joined) {
        Info(log_, "joined",
             fmt::format("this machine is host {} now; its token is in {}", joined->host,
                         token_file().string()));
        return std::move(*joined);
      }
      if (!IsPassing(joined.error())) return Fail(Explain(std::move(joined).error()));
      pause = std::min<milliseconds>(pause, kJoinPauseMax);
      log_.Write({LogLevel::kWarning,
                  "not_joined",
                  "cannot join yet, retrying: " + joined.error().message,
                  {{"reason", joined.error().reason}}});
      Sleep(pause);
    }
    return std::nullopt;
  }

  Result<std::string> JoinToken() const {
    std::string text = settings_.join_token;
    if (!settings_.join_token_file.empty()) {
      ASSIGN_OR_RETURN(text, agent::ReadFile(settings_.join_token_file));
    }
    text = text.substr(0, text.find_first_of("\r\n"));
    if (!text.empty()) return text;
    return Fail(FailedPrecondition(
        "NOT_JOINED", fmt::format("{} {}: {}", settings_.data.string(),
                                  settings_.rejoin ? "cannot rejoin without a join token"
                                                   : "belongs to no host yet",
                                  kJoinAdvice)));
  }

  static bool IsPassing(const Error& error) {
    return error.code == Code::kUnavailable || error.code == Code::kDeadlineExceeded ||
           error.code == Code::kAborted;
  }
  static Error Explain(Error error) {
    if (error.code == Code::kUnauthenticated || error.code == Code::kPermissionDenied)
      error.message =
          fmt::format("the join token was rejected: {}: {}", error.message, kJoinAdvice);
    return error;
  }

  void Sleep(milliseconds pause) const {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop_, pause, [] { return false; });
  }

  const AgentSettings& settings_;
  const std::stop_token stop_;
  Clock& clock_;
  Random& random_;
  SystemSecrets secrets_;
  Log& log_;
  std::unique_ptr<agent::Runtime> runtime_;
  agent::FileDescriptor lock_;
  std::unique_ptr<agent::SqliteJournal> journal_;
};

// Takes the agent's lock, because a running agent would start the nodes again.
Status StopNodes(const AgentSettings& settings, Log& log) {
  ASSIGN_OR_RETURN(auto runtime, OpenRuntime(settings, {}));
  ASSIGN_OR_RETURN(const agent::FileDescriptor lock, LockDirectory(settings.data));
  return agent::StopAllNodes(*runtime, log);
}

}  // namespace

int RunAgent(const std::vector<std::string>& arguments,
             const std::function<std::optional<std::string>(std::string_view)>& variable,
             Clock& clock, Random& random) {
  auto parsed = ParseAgentOptions(arguments, variable);
  // Stopping nodes may be interrupted at any time: nodes that were asked to stop continue to stop.
  const bool stop_nodes = parsed && parsed->settings && parsed->settings->stop_nodes;
  const sigset_t signals = stop_nodes ? TakeSignals({}) : TakeSignals({SIGTERM, SIGINT});
  if (parsed && !parsed->settings) {
    std::cout << parsed->text;
    return 0;
  }
  const auto log = MakeLog(parsed ? parsed->settings->log : LogForm::kText, clock);
  Status ran = parsed ? Status() : Fail(parsed.error());
  if (stop_nodes)
    return LogEnd(*log, StopNodes(*parsed->settings, *log), "all nodes of this machine are stopped",
                  "nodes_not_stopped");
  if (ran) {
    const StopOnSignal stop(signals, kStopPatience, *log);
    ran = Agent(*parsed->settings, stop.token(), clock, random, *log).Run();
  }
  return LogEnd(*log, ran, "the agent has stopped; the containers keep running", "agent_failed");
}

}  // namespace tallyman::app
