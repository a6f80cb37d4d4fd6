#include "store/postgres/connection.h"

#include <fmt/core.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>

namespace tallyman::store::postgres {
namespace {

constexpr char kSession[] =
    "SELECT set_config('statement_timeout', $1, false), set_config('lock_timeout', $2, false), "
    "set_config('idle_in_transaction_session_timeout', $3, false)";
// Not every server that speaks PostgreSQL's protocol has these settings; nothing breaks without
// them. Plans are made once: planning a set-based statement for each array costs more than it
// gains.
constexpr const char* kWishes[] = {
    "SELECT set_config('plan_cache_mode', 'force_generic_plan', false)",
    "SELECT set_config('jit', 'off', false)"};
// A server that waits for the next statement of a client that is gone keeps that one's locks.
constexpr char kWishOfPeers[] =
    "SELECT set_config('tcp_user_timeout', $1, false), set_config('tcp_keepalives_idle', $2, "
    "false), "
    "set_config('tcp_keepalives_interval', '1', false)";
constexpr char kWishByKey[] =
    "SELECT set_config('enable_seqscan', 'off', false), "
    "set_config('enable_hashjoin', 'off', false), set_config('enable_mergejoin', 'off', false)";

}  // namespace

PgConnection::~PgConnection() = default;

Result<std::unique_ptr<PgConnection>> PgConnection::Open(const PgConnectOptions& options,
                                                         PgStats& stats) {
  std::unique_ptr<PgConnection> connection(new PgConnection(options, stats));
  RETURN_IF_ERROR(connection->Connect());
  RETURN_IF_ERROR(connection->SetUpSession());
  return connection;
}

Status PgConnection::Connect() {
  const std::string connect_timeout = std::to_string(options_.connect_timeout_s);
  const std::string tcp_timeout = std::to_string(options_.silence_ms_max);
  const std::string keepalives_idle = KeepalivesIdle();
  // Parameters before the string are defaults; those after it override it. The timeout is for what
  // was sent and not acknowledged, and for probes; these are sent while only an answer is awaited.
  const char* keywords[] = {"connect_timeout",
                            "tcp_user_timeout",
                            "keepalives_idle",
                            "keepalives_interval",
                            "keepalives_count",
                            "fallback_application_name",
                            "dbname",
                            "client_encoding",
                            nullptr};
  const char* values[] = {connect_timeout.c_str(),
                          tcp_timeout.c_str(),
                          keepalives_idle.c_str(),
                          "1",
                          "3",
                          "tallyman",
                          options_.dsn.c_str(),
                          "UTF8",
                          nullptr};
  ++stats_.connects;
  connection_.reset(PQconnectdbParams(keywords, values, 1));
  if (connection_ == nullptr || PQstatus(connection_.get()) != CONNECTION_OK) {
    PgFailure failure;
    failure.lost = true;
    failure.message = connection_ == nullptr ? "out of memory" : PQerrorMessage(connection_.get());
    while (!failure.message.empty() && failure.message.back() == '\n') failure.message.pop_back();
    std::ranges::replace(failure.message, '\n', ' ');
    // libpq keeps no SQLSTATE of a refused connection; these two deserve their own advice.
    const std::string& text = failure.message;
    if (text.contains("does not exist") && text.contains("database")) failure.sqlstate = "3D000";
    if (text.contains("authentication") || text.contains("no pg_hba.conf entry") ||
        text.contains("no password supplied") || text.contains("FATAL:  role \"")) {
      failure.sqlstate = "28000";
    }
    broken_ = true;
    failure_ = failure;
    return Fail(ErrorOf(failure, options_.shown));
  }
  PQsetNoticeReceiver(connection_.get(), &PgConnection::OnNotice, this);
  PQsetnonblocking(connection_.get(), 1);
  PQenterPipelineMode(connection_.get());
  return {};
}

std::string PgConnection::KeepalivesIdle() const {
  return std::to_string(std::max<int64_t>(1, options_.silence_ms_max / 1000));
}

Status PgConnection::SetUpSession() {
  PgBatch session;
  session.Add(kSession, PgParams::Of(std::to_string(options_.statement_timeout_ms),
                                     std::to_string(options_.lock_timeout_ms),
                                     std::to_string(options_.batch_timeout_ms)));
  ASSIGN_OR_RETURN(auto ignored, Run(session));
  std::vector<std::pair<const char*, PgParams>> wishes = {
      {kWishOfPeers, PgParams::Of(std::to_string(options_.silence_ms_max), KeepalivesIdle())}};
  for (const char* wish : kWishes) wishes.emplace_back(wish, PgParams());
  if (options_.by_key) wishes.emplace_back(kWishByKey, PgParams());
  for (auto& [wish, params] : wishes) {
    PgBatch batch;
    batch.Add(wish, std::move(params));
    if (!Run(batch) && broken_) return Fail(ErrorOf(*failure_, options_.shown));
  }
  failure_.reset();
  return {};
}

void PgConnection::OnNotice(void* self, const PGresult* notice) {
  const char* severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
  if (severity != nullptr && std::string_view(severity) == "WARNING") {
    static_cast<PgConnection*>(self)->warned_ = true;
  }
}

PgConnection::Deadline PgConnection::DeadlineFromNow() const {
  return std::chrono::steady_clock::now() + std::chrono::milliseconds(options_.batch_timeout_ms);
}

// Reports the first failure of a batch, and also keeps that the connection was lost.
void PgConnection::Note(PgFailure failure) {
  if (failure.lost) broken_ = true;
  if (failure_) {
    failure_->lost = failure_->lost || failure.lost;
  } else {
    failure_ = std::move(failure);
  }
}

void PgConnection::Lose(std::string message) {
  while (!message.empty() && message.back() == '\n') message.pop_back();
  PgFailure failure;
  failure.message = message.empty() ? "the connection was lost" : std::move(message);
  failure.lost = true;
  Note(std::move(failure));
}

PGresult* PgConnection::Await(Deadline deadline) {
  PGconn* connection = connection_.get();
  int unsent = PQflush(connection);
  while (unsent > 0 || PQisBusy(connection) != 0) {
    if (unsent < 0 || PQstatus(connection) == CONNECTION_BAD) break;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd socket{.fd = PQsocket(connection), .events = POLLIN, .revents = 0};
    if (unsent > 0) socket.events |= POLLOUT;
    const int ready =
        left.count() <= 0 ? 0 : ::poll(&socket, 1, static_cast<int>(left.count()) + 1);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) {
      Lose("no answer came in time");
      return nullptr;
    }
    if (PQconsumeInput(connection) == 0) break;
    unsent = PQflush(connection);
  }
  return PQgetResult(connection);
}

bool PgConnection::Queue(const PgBatch::Statement& statement,
                         std::vector<std::string_view>& prepared) {
  PGconn* connection = connection_.get();
  const PgParams& params = statement.params;
  const std::vector<const char*> values = params.Values();
  if (statement.kept == nullptr) {
    return PQsendQueryParams(connection, statement.once.c_str(), params.size(), params.types(),
                             values.data(), params.lengths(), params.formats(), 1) == 1;
  }
  auto [name, is_new] = names_.try_emplace(statement.kept);
  if (is_new) {
    name->second = fmt::format("t{}", ++last_name_);
    prepared.emplace_back(statement.kept);
    if (PQsendPrepare(connection, name->second.c_str(), statement.kept, params.size(),
                      params.types()) != 1) {
      return false;
    }
  } else {
    prepared.emplace_back();
  }
  return PQsendQueryPrepared(connection, name->second.c_str(), params.size(), values.data(),
                             params.lengths(), params.formats(), 1) == 1;
}

// Reads the one result of a statement, and the null that ends it. Empty when the connection is
// lost.
std::optional<PgResult> PgConnection::TakeResult(size_t statement, Deadline deadline) {
  PGresult* taken = Await(deadline);
  if (taken == nullptr) {
    if (!broken_) Lose(PQerrorMessage(connection_.get()));
    return std::nullopt;
  }
  PgResult result(taken);
  const ExecStatusType status = PQresultStatus(taken);
  if (status == PGRES_FATAL_ERROR) {
    PgFailure failure = FailureOf(taken);
    failure.statement = statement;
    // 26000 and 0A000: the session's prepared statements were dropped, or a migration invalidated
    // their plans.
    failure.lost = failure.lost || PQstatus(connection_.get()) == CONNECTION_BAD ||
                   failure.sqlstate == "26000" || failure.sqlstate == "0A000";
    Note(std::move(failure));
    if (broken_) return std::nullopt;
  }
  while (status != PGRES_PIPELINE_SYNC) {
    PGresult* more = Await(deadline);
    if (more == nullptr) break;
    PQclear(more);
  }
  if (broken_) return std::nullopt;
  return result;
}

Result<std::vector<PgResult>> PgConnection::Run(const PgBatch& batch, Deadline until) {
  failure_.reset();
  warned_ = false;
  const Deadline deadline = std::min(until, DeadlineFromNow());
  std::vector<std::string_view> prepared;  // per statement; empty: prepared earlier
  bool queued = !broken_;
  for (const PgBatch::Statement& statement : batch.statements_) {
    if (statement.kept == nullptr) prepared.emplace_back();
    queued = queued && Queue(statement, prepared) &&
             (!statement.sync || PQpipelineSync(connection_.get()) == 1);
  }
  queued = queued && PQpipelineSync(connection_.get()) == 1;
  if (!queued) {
    Lose(connection_ == nullptr ? "" : PQerrorMessage(connection_.get()));
    return Fail(ErrorOf(*failure_, options_.shown));
  }
  ++stats_.round_trips;
  std::vector<PgResult> results;
  results.reserve(batch.size());
  for (size_t i = 0; i < batch.size() && !broken_; ++i) {
    if (!prepared[i].empty()) {
      auto made = TakeResult(i, deadline);
      const bool done = made && PQresultStatus(made->get()) == PGRES_COMMAND_OK;
      if (!done) names_.erase(prepared[i]);
    }
    if (broken_) break;
    if (auto result = TakeResult(i, deadline)) results.push_back(std::move(*result));
    if (batch.statements_[i].sync && !broken_) TakeResult(i, deadline);
  }
  if (!broken_) TakeResult(batch.size(), deadline);
  if (failure_) return Fail(ErrorOf(*failure_, options_.shown));
  return results;
}

Status PgConnection::Execute(const std::string& sql) { return RunText(sql, nullptr); }

Status PgConnection::CopyIn(const std::string& sql, const PgCopyRows& rows) {
  ++stats_.round_trips;
  return RunText(sql, &rows);
}

Status PgConnection::RunText(const std::string& sql, const PgCopyRows* rows) {
  failure_.reset();
  const Deadline deadline = DeadlineFromNow();
  if (broken_ || PQexitPipelineMode(connection_.get()) != 1 ||
      PQsendQuery(connection_.get(), sql.c_str()) != 1) {
    Lose(connection_ == nullptr ? "" : PQerrorMessage(connection_.get()));
    return Fail(ErrorOf(*failure_, options_.shown));
  }
  while (PGresult* taken = Await(deadline)) {
    PgResult result(taken);
    if (PQresultStatus(taken) == PGRES_FATAL_ERROR) {
      Note(FailureOf(taken));
    } else if (PQresultStatus(taken) == PGRES_COPY_IN) {
      // Only queued here: Await() sends it, and hears the server's refusal in the middle.
      PGconn* connection = connection_.get();
      const std::string& bytes = rows->bytes();
      if (PQputCopyData(connection, bytes.data(), static_cast<int>(bytes.size())) != 1 ||
          PQputCopyEnd(connection, nullptr) != 1) {
        Lose(PQerrorMessage(connection));
        break;
      }
    }
  }
  if (!broken_) PQenterPipelineMode(connection_.get());
  if (failure_) return Fail(ErrorOf(*failure_, options_.shown));
  return {};
}

bool PgConnection::in_transaction() const {
  return PQtransactionStatus(connection_.get()) != PQTRANS_IDLE;
}

bool PgConnection::IsAlive() {
  if (broken_) return false;
  pollfd socket{.fd = PQsocket(connection_.get()), .events = POLLIN, .revents = 0};
  if (::poll(&socket, 1, 0) <= 0) return true;
  // Without a request, readable data means that the server says goodbye. (It may also be a changed
  // setting, but a new connection is cheap.)
  broken_ = true;
  return false;
}

}  // namespace tallyman::store::postgres
