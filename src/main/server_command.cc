#include "main/server_command.h"

#include <fmt/core.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <iostream>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "api/dispatcher.h"
#include "base/id_source.h"
#include "base/metrics.h"
#include "base/reasons.h"
#include "base/system.h"
#include "base/text.h"
#include "control/clock_check.h"
#include "control/hosts/reports.h"
#include "control/lots/prune_records.h"
#include "control/lots/prune_requests.h"
#include "control/rollouts/policies.h"
#include "control/rollouts/rollouts.h"
#include "control/tokens/tokens.h"
#include "http/server.h"
#include "http/site.h"
#include "main/call_log.h"
#include "main/control_authenticator.h"
#include "main/dsn.h"
#include "main/open_store.h"
#include "main/refusal_log.h"
#include "main/secret_key_file.h"
#include "main/server_options.h"
#include "main/server_pages.h"
#include "main/signals.h"
#include "main/timer.h"
#include "main/token_file.h"
#include "store/timed_store.h"

namespace tallyman::app {
namespace {

constexpr std::chrono::milliseconds kWorkerPatience{10};

// Each connection is a file.
void RaiseFileLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

control::ControlOptions WithWriters(control::ControlOptions options, int writers) {
  options.writers = writers;
  return options;
}

// Reads of a file use this machine's processors; reads of a database server wait for another
// program.
int WorkersAtOnce(int workers, int writers) {
  if (writers > 1) return workers;
  return std::min(workers, std::max(1, static_cast<int>(std::thread::hardware_concurrency())));
}

// Everything that serves, in order of dependency.
class Serving {
 public:
  Serving(const ServerSettings& settings, OpenedStore opened, Sealer sealer, Clock& clock,
          Random& random, Log& log)
      : log_(log),
        clock_(clock),
        begun_(clock.Now()),
        ids_(clock, random),
        admin_(*opened.admin),
        store_(std::move(opened.store)),
        timed_store_(*store_, metrics_),
        control_(std::make_unique<control::Control>(
            timed_store_, clock, random, log, metrics_,
            WithSecrets(WithWriters(settings.control, opened.writers), secrets_,
                        std::move(sealer)))),
        authenticator_(*control_),
        clock_check_(*control_, metrics_),
        pruner_(control_->store(), control_->clock(), {}),
        record_pruner_(control_->store(), control_->clock(), settings.records),
        command_deadline_(settings.command_deadline),
        dispatcher_(std::make_unique<api::Dispatcher>(*control_)),
        server_metrics_(metrics_, MethodNames()),
        call_log_(log),
        refusal_log_(log, clock),
        observers_(Observers(settings.log)),
        failures_(clock),
        workers_(settings.workers, WorkersAtOnce(settings.workers, opened.writers), kWorkerPatience,
                 &log),
        parts_{*dispatcher_, authenticator_, failures_,  workers_,
               clock,        ids_,           observers_, settings.limits},
        rpc_(parts_),
        site_(rpc_, parts_, ServerPages(PagesOf())),
        server_(settings.server, site_, clock, log),
        timer_(std::make_unique<Timer>(Jobs(), log)) {
    server_metrics_.AddSource([this] { return LoadValues(); });
    server_metrics_.AddSource(FleetMetrics(*control_));
  }

  // Answers every call that somebody still waits for: first those that connections wait for, then
  // those without a connection, then those that were only queued.
  ~Serving() {
    draining_ = true;
    timer_.reset();
    dispatcher_->StopStreams();
    server_.Drain();
    rpc_.StopWaiting();
    workers_.WaitIdle();
    dispatcher_.reset();
    control_.reset();
  }

  // The first start creates the first admin's token.
  Status EnsureAdminToken(const std::string& path) {
    TokenFile file(path);
    ASSIGN_OR_RETURN(bool made, control::EnsureAdminToken(*control_, file));
    if (made) {
      Info(log_, "admin_token_written",
           fmt::format("the token of the first admin is in {}, for its owner only", path));
    }
    return {};
  }
  // A server whose clock is wrong starts, says so, and writes nothing until the clock is right.
  Status Start() {
    RETURN_IF_ERROR(clock_check_.Run());
    return server_.Start();
  }
  uint16_t port() const { return server_.port(); }

  void Reload() {
    if (auto reloaded = server_.ReloadTls(); !reloaded) {
      log_.Write({LogLevel::kError, "reload_failed", reloaded.error().message, {}});
      return;
    }
    Info(log_, "reloaded", "new connections get the certificate as it is now");
  }

 private:
  static control::ControlOptions WithSecrets(control::ControlOptions options, SecretSource& secrets,
                                             Sealer sealer) {
    options.secrets = &secrets;
    options.sealer = std::move(sealer);
    return options;
  }

  // Background work: safe when other servers on the database do the same.
  std::vector<Timer::Job> Jobs() {
    return {{"forgetting old requests", std::chrono::minutes(10),
             [this]() -> Result<bool> {
               RETURN_IF_ERROR(control_->MayWrite());
               ASSIGN_OR_RETURN(control::RequestPruner::Report report, pruner_.Run());
               return !report.done;
             }},
            {"forgetting old records", std::chrono::minutes(10),
             [this]() -> Result<bool> {
               RETURN_IF_ERROR(control_->MayWrite());
               ASSIGN_OR_RETURN(control::RecordPruner::Report report, record_pruner_.Run());
               return !report.done;
             }},
            {"comparing clocks", std::chrono::seconds(10),
             [this]() -> Result<bool> {
               RETURN_IF_ERROR(clock_check_.Run());
               return false;
             }},
            {"commands past their deadline", std::chrono::seconds(5),
             [this] { return control::ExpireCommands(*control_, command_deadline_); }},
            {"rollouts", std::chrono::seconds(1),
             [this]() -> Result<bool> {
               RETURN_IF_ERROR(control_->MayWrite());
               RETURN_IF_ERROR(control::AdvanceRollouts(*control_));
               return false;
             }},
            {"upgrade policies", std::chrono::minutes(1),
             [this]() -> Result<bool> {
               RETURN_IF_ERROR(control_->MayWrite());
               RETURN_IF_ERROR(control::ProposeUpgrades(*control_));
               return false;
             }},
            {"silent hosts", SilencePeriod(), [this]() -> Result<bool> {
               // While nobody served, nobody could be heard.
               if (clock_.Now() - begun_ < control_->policies().host_silent) return false;
               return control::MarkSilentHosts(*control_);
             }}};
  }

  std::chrono::milliseconds SilencePeriod() const {
    return std::chrono::ceil<std::chrono::milliseconds>(control_->policies().host_silent / 6);
  }

  std::vector<http::CallObserver*> Observers(LogForm log) {
    // In text nobody wants a line for every call.
    if (log == LogForm::kText) return {&server_metrics_, &refusal_log_};
    return {&server_metrics_, &refusal_log_, &call_log_};
  }
  PageParts PagesOf() {
    return {*control_, admin_, server_metrics_, draining_, log_, TALLYMAN_VERSION};
  }
  std::vector<std::string> MethodNames() const {
    std::vector<std::string> names;
    for (const auto& [name, method] : dispatcher_->methods()) names.push_back(name);
    for (const auto& [name, method] : dispatcher_->stream_methods()) names.push_back(name);
    return names;
  }
  // Values read from the running parts when the metrics are requested.
  std::vector<http::MetricValues> LoadValues() const {
    auto value = [](std::string name, std::string help, size_t number) {
      return http::MetricValues{.name = std::move(name),
                                .help = std::move(help),
                                .samples = {{.value = static_cast<double>(number)}}};
    };
    auto [running, waiting] = workers_.Load();
    return {value("tallyman_workers", "Threads that read the database", workers_.threads()),
            value("tallyman_workers_busy", "Threads that are reading the database now", running),
            value("tallyman_workers_queue", "Calls that wait for such a thread", waiting),
            value("tallyman_connections", "Open connections", server_.connections()),
            {.name = "tallyman_clock_skew_seconds",
             .help = "How far this server's clock is ahead of the database's",
             .samples = {{.value = metrics_.clock_skew_seconds.load()}}}};
  }

  Log& log_;
  Clock& clock_;
  const Time begun_;
  Metrics metrics_;
  IdSource ids_;
  store::StoreAdmin& admin_;  // the same store
  std::unique_ptr<store::Store> store_;
  store::TimedStore timed_store_;
  SystemSecrets secrets_;
  std::unique_ptr<control::Control> control_;
  ControlAuthenticator authenticator_;
  control::ClockCheck clock_check_;
  control::RequestPruner pruner_;
  control::RecordPruner record_pruner_;
  const std::chrono::seconds command_deadline_;
  std::unique_ptr<api::Dispatcher> dispatcher_;
  std::atomic<bool> draining_{false};
  http::ServerMetrics server_metrics_;
  CallLog call_log_;
  RefusalLog refusal_log_;
  http::CallObservers observers_;
  http::FailureLimit failures_;
  http::WorkerPool workers_;
  http::RpcParts parts_;
  http::RpcHandler rpc_;
  http::Site site_;
  http::Server server_;
  std::unique_ptr<Timer> timer_;
};

// Beside the database file; a shared database has no file on this machine.
Result<std::string> TokenFileOf(const ServerSettings& settings, const DatabaseName& database) {
  if (!settings.admin_token_file.empty()) return settings.admin_token_file;
  if (database.kind == DatabaseKind::kSqlite) return database.place + ".admin-token";
  return Fail(InvalidArgument("NO_ADMIN_TOKEN_FILE",
                              "with a PostgreSQL database, say where the admin's token goes: add "
                              "--admin-token-file PATH")
                  .With("field", "admin_token_file"));
}

// While the database cannot be reached, as when both machines boot, waits for it and says so once.
// Absent: a signal to stop came first.
Result<std::optional<OpenedStore>> AwaitStore(const DatabaseName& database,
                                              const OpenOptions& options, const sigset_t& signals,
                                              Random& random, Log& log) {
  constexpr timespec kPause{.tv_sec = 0, .tv_nsec = 500'000'000};
  for (bool is_waiting = false;;) {
    Result<OpenedStore> opened = OpenStore(database, options, random, log);
    if (opened) return std::optional(std::move(*opened));
    if (opened.error().reason != kDatabaseUnreachable) return Fail(std::move(opened).error());
    if (!std::exchange(is_waiting, true)) {
      log.Write(
          {LogLevel::kWarning,
           "waiting_for_database",
           fmt::format("waiting for the database, as long as it takes: {}", opened.error().message),
           {}});
    }
    const int signal = ::sigtimedwait(&signals, nullptr, &kPause);
    if (signal == SIGTERM || signal == SIGINT) return std::nullopt;
  }
}

Status Serve(const ServerSettings& settings, const sigset_t& signals, Clock& clock, Random& random,
             Log& log) {
  ASSIGN_OR_RETURN(const DatabaseName database, ParseDsn(settings.dsn));
  ASSIGN_OR_RETURN(const std::string token_file, TokenFileOf(settings, database));
  const OpenOptions options{.may_create = true,
                            .readers_max = settings.workers + 1};  // plus the reader of events
  ASSIGN_OR_RETURN(std::optional<OpenedStore> opened,
                   AwaitStore(database, options, signals, random, log));
  if (!opened) return {};
  SystemSecrets secrets;
  ASSIGN_OR_RETURN(Sealer sealer, ReadSecretKeys(database, settings.secret_key_file, secrets, log));

  Serving serving(settings, std::move(*opened), std::move(sealer), clock, random, log);
  RETURN_IF_ERROR(serving.EnsureAdminToken(token_file));
  RETURN_IF_ERROR(serving.Start());
  const http::ServerOptions& server = settings.server;
  bool is_v6 = server.host.find(':') != std::string::npos;
  Info(log, "serving",
       fmt::format("serving on {}://{}{}{}:{}", server.cert_file.empty() ? "http" : "https",
                   is_v6 ? "[" : "", server.host, is_v6 ? "]" : "", serving.port()));
  while (true) {
    int signal = 0;
    ::sigwait(&signals, &signal);
    if (signal == SIGHUP) {
      serving.Reload();
      continue;
    }
    Info(log, "stopping", "no new calls are accepted, calls in flight may finish");
    break;
  }
  return {};
}

}  // namespace

int RunServer(const std::vector<std::string>& arguments,
              const std::function<std::optional<std::string>(std::string_view)>& variable,
              Clock& clock, Random& random) {
  sigset_t signals = TakeSignals({SIGTERM, SIGINT, SIGHUP});
  RaiseFileLimit();
  auto parsed = ParseServerOptions(arguments, variable);
  if (parsed && !parsed->settings) {
    std::cout << parsed->text;
    return 0;
  }
  const auto log = MakeLog(parsed ? parsed->settings->log : LogForm::kText, clock);
  Status served = parsed ? Serve(*parsed->settings, signals, clock, random, *log)
                         : Fail(std::move(parsed).error());
  return LogEnd(*log, served, "the server has stopped", "server_failed");
}

}  // namespace tallyman::app
