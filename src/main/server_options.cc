#include "main/server_options.h"

#include <arpa/inet.h>
#include <fmt/core.h>

#include <CLI/CLI.hpp>

#include "base/checked.h"
#include "base/reasons.h"
#include "base/text.h"
#include "main/option_words.h"

namespace tallyman::app {
namespace {

constexpr int64_t kPortMax = 65535;

struct TypedServerOptions {
  std::string listen = "127.0.0.1:8080";
  std::string log = "text";
  std::string drift = "heal";
  std::string capacity = "warn";
  bool insecure = false;
  size_t body_mib = 64;
  int64_t drain_seconds = 10;
  int64_t command_deadline_seconds = 3600;
  int64_t host_silent_seconds = 90;
  int64_t events_days = 0;
  int64_t changes_per_second = 200;
};

// HOST:PORT, with an IPv6 address in brackets.
Status ReadListen(const std::string& text, http::ServerOptions& server) {
  size_t colon = text.rfind(':');
  std::string host = colon == std::string::npos ? "" : text.substr(0, colon);
  auto port = ParseInt64(colon == std::string::npos ? "" : text.substr(colon + 1));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  in6_addr scratch{};
  bool known = ::inet_pton(AF_INET, host.c_str(), &scratch) == 1 ||
               ::inet_pton(AF_INET6, host.c_str(), &scratch) == 1;
  if (!known || !port || *port < 0 || *port > kPortMax) {
    return RefuseOption("INVALID_ADDRESS", "--listen", text,
                        "write an IP address and a port, such as 127.0.0.1:8080 or [::]:443");
  }
  server.host = host;
  server.port = static_cast<uint16_t>(*port);
  return {};
}

bool IsLoopback(const std::string& host) { return host.starts_with("127.") || host == "::1"; }

Status ReadEncryption(const TypedServerOptions& typed, http::ServerOptions& server) {
  if (server.cert_file.empty() != server.key_file.empty()) {
    return Fail(InvalidArgument("TLS_FILES", "--tls-cert and --tls-key go together"));
  }
  if (server.cert_file.empty() && !IsLoopback(server.host) && !typed.insecure) {
    return RefuseOption("NOT_ENCRYPTED", "--listen", typed.listen,
                        "anyone on the network path could read the tokens: give --tls-cert and "
                        "--tls-key, or --insecure if a proxy in front of this server encrypts");
  }
  return {};
}

void Define(CLI::App& app, ServerSettings& settings, TypedServerOptions& typed) {
  app.add_option("--db", settings.dsn,
                 "The database, sqlite:PATH or postgres://...; default: TALLYMAN_DB");
  app.add_option("--listen", typed.listen, "IP address and port")->capture_default_str();
  app.add_option("--tls-cert", settings.server.cert_file,
                 "Certificate chain, PEM; SIGHUP reads it again");
  app.add_option("--tls-key", settings.server.key_file, "Its private key, PEM");
  app.add_flag("--insecure", typed.insecure, "Allow plain HTTP on addresses other than loopback");
  app.add_option("--admin-token-file", settings.admin_token_file,
                 "Where the admin's token is written; default: beside the database");
  app.add_option(
      "--secret-key-file", settings.secret_key_file,
      "The keys that seal secrets of nodes; default: TALLYMAN_SECRET_KEY_FILE, or beside "
      "an SQLite database");
  app.add_option("--log", typed.log, "text: what matters to people; json: every call too")
      ->capture_default_str();
  app.add_option("--drift", typed.drift, "What to do when books are wrong: heal or abort")
      ->capture_default_str();
  app.add_option("--capacity", typed.capacity,
                 "What to do when a host would exceed its capacity: warn or enforce")
      ->capture_default_str();
  app.add_option("--workers", settings.workers, "Threads that read the database")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  app.add_option("--io-threads", settings.server.io_threads, "Threads that serve connections")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--connections-max", settings.server.connections_max, "Connections at once")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--strangers-max", settings.server.strangers_max,
                 "Connections of one address that have not shown a good token")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--calls-max", settings.limits.calls_max, "Calls at once; more are refused")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--streams-max", settings.limits.streams_max, "Streams at once")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--changes-per-second", typed.changes_per_second,
                 "Changes by one token in the long run, 1,000 times as many at once; by all tokens "
                 "of an org four times as many; 0: no limit")
      ->check(CLI::Range(0, 100'000))
      ->capture_default_str();
  app.add_option("--body-max-mib", typed.body_mib, "The longest request")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--drain-seconds", typed.drain_seconds,
                 "How long calls in flight may take to finish when the server stops")
      ->check(CLI::Range(0, 3600))
      ->capture_default_str();
  app.add_option("--command-deadline-seconds", typed.command_deadline_seconds,
                 "How long a host may work on a command before the node counts as failed")
      ->check(CLI::Range(10, 30 * 24 * 3600))
      ->capture_default_str();
  app.add_option("--host-silent-seconds", typed.host_silent_seconds,
                 "How long a host may say nothing before it counts as silent; agents report every "
                 "30 s. The same for all servers of a database")
      ->check(CLI::Range(1, 24 * 3600))
      ->capture_default_str();
  app.add_option("--events-days", typed.events_days, "How many days events are kept; 0: for ever")
      ->check(CLI::Range(0, 36'500))
      ->capture_default_str();
}

Status Read(const TypedServerOptions& typed, ServerSettings& settings) {
  RETURN_IF_ERROR(ReadListen(typed.listen, settings.server));
  RETURN_IF_ERROR(ReadEncryption(typed, settings.server));
  RETURN_IF_ERROR(ReadWord("--log", typed.log, settings.log));
  RETURN_IF_ERROR(ReadWord("--drift", typed.drift, settings.control.policies.drift));
  RETURN_IF_ERROR(ReadWord("--capacity", typed.capacity, settings.control.policies.capacity));
  settings.limits.body_bytes_max = typed.body_mib << 20;
  settings.server.bodies_bytes_max = 4 * settings.limits.body_bytes_max;
  settings.control.policies.host_silent = std::chrono::seconds(typed.host_silent_seconds);
  settings.control.changes_per_second = typed.changes_per_second;
  settings.command_deadline = std::chrono::seconds(typed.command_deadline_seconds);
  if (typed.events_days > 0) settings.records.events = std::chrono::hours(24 * typed.events_days);
  settings.server.drain_timeout = std::chrono::seconds(typed.drain_seconds);
  return {};
}

}  // namespace

Result<ParsedServerOptions> ParseServerOptions(
    const std::vector<std::string>& arguments,
    const std::function<std::optional<std::string>(std::string_view)>& variable) {
  ServerSettings settings;
  TypedServerOptions typed;
  CLI::App app("Serve the operations over the network", "tallyman server");
  Define(app, settings, typed);
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    return ParsedServerOptions{.settings = std::nullopt, .text = app.help()};
  } catch (const CLI::ParseError& e) {
    return Fail(InvalidArgument(
        kUsage, fmt::format("{}; see \"tallyman server --help\"", Quote(e.what()))));
  }
  if (settings.dsn.empty()) settings.dsn = variable("TALLYMAN_DB").value_or("");
  if (settings.dsn.empty()) {
    return Fail(InvalidArgument(
        "NO_DATABASE",
        "no database is given: use --db sqlite:PATH or --db postgres://..., or set TALLYMAN_DB"));
  }
  if (settings.secret_key_file.empty())
    settings.secret_key_file = variable("TALLYMAN_SECRET_KEY_FILE").value_or("");
  RETURN_IF_ERROR(Read(typed, settings));
  return ParsedServerOptions{.settings = std::move(settings)};
}

}  // namespace tallyman::app
