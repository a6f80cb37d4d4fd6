// The program: passes the machine (terminal, environment, clock, randomness, database) to the
// command line.
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "base/checked.h"
#include "base/id_source.h"
#include "base/system.h"
#include "base/text.h"
#include "cli/cli.h"
#include "client/network_client.h"
#include "main/agent_command.h"
#include "main/dsn.h"
#include "main/in_process_client.h"
#include "main/server_command.h"
#include "main/stderr_log.h"
#include "main/store_tool.h"
#include "model/ids.h"

namespace tallyman::app {
namespace {

std::optional<std::string> Variable(std::string_view name) {
  const char* value = std::getenv(std::string(name).c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

int WidthOf(int terminal) {
  winsize size{};
  if (::ioctl(terminal, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  auto columns = ParseInt64(Variable("COLUMNS").value_or(""));
  return columns && *columns >= 20 && *columns <= 10'000 ? static_cast<int>(*columns) : 80;
}

// NO_COLOR (no-color.org) counts when it is not empty.
bool ColourAllowed() {
  return Variable("NO_COLOR").value_or("").empty() && Variable("TERM").value_or("dumb") != "dumb";
}

Result<std::unique_ptr<client::Client>> ConnectToServer(const cli::ConnectOptions& connect,
                                                        Clock& clock, Random& random) {
  const cli::ServerTarget& target = *connect.server;
  client::NetworkOptions options{.server = target.url,
                                 .token = target.token,
                                 .ca_file = target.ca_file,
                                 .insecure = target.insecure,
                                 .timeout = connect.timeout,
                                 .on_wait = connect.on_wait};
  return client::NetworkClient::Make(
      std::move(options), clock, random,
      [](std::chrono::milliseconds wait) { std::this_thread::sleep_for(wait); });
}

// Opens those of descriptors 0 to 2 that are closed: else a file or a connection would get such a
// number, and what is printed would go there. They are opened the wrong way round, so that reading
// and writing fail. Gives which of them were closed.
std::array<bool, 3> OpenStandardDescriptors() {
  std::array<bool, 3> were_closed{};
  for (int descriptor = 0; descriptor < 3; ++descriptor) {
    if (::fcntl(descriptor, F_GETFD) >= 0) continue;
    were_closed[static_cast<size_t>(descriptor)] = true;
    // The lowest number that is free, which is this one.
    if (::open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY) != descriptor)
      std::_Exit(1);
  }
  return were_closed;
}

// Of a pipe whose other end is closed.
bool ReaderIsGone(int descriptor) {
  pollfd polled{.fd = descriptor, .events = POLLOUT, .revents = 0};
  return ::poll(&polled, 1, 0) > 0 && (polled.revents & POLLERR) != 0;
}

int Main(int argc, const char* const* argv, const std::array<bool, 3>& were_closed) {
  SystemClock clock;
  SeededRandom random(SystemSeed());
  IdSource ids(clock, random);
  StderrLog log;
  StoreTool tool(random, log);

  // A user who can write the database is its admin; the name records which user it was.
  auto connect =
      [&](const cli::ConnectOptions& options) -> Result<std::unique_ptr<client::Client>> {
    if (options.server) return ConnectToServer(options, clock, random);
    ASSIGN_OR_RETURN(DatabaseName database, ParseDsn(options.dsn));
    RETURN_IF_ERROR(CheckText("actor", options.actor, 100));
    return std::make_unique<InProcessClient>(
        InProcessOptions{.database = std::move(database),
                         .actor = {.id = options.actor, .role = Role::kAdmin},
                         .secret_key_file = Variable("TALLYMAN_SECRET_KEY_FILE").value_or(""),
                         .may_create = options.may_create,
                         .outage_max = options.timeout,
                         .on_wait = options.on_wait},
        clock, random, log);
  };

  cli::CliEnvironment environment{
      .in = std::cin,
      .out = std::cout,
      .err = std::cerr,
      .in_is_closed = were_closed[STDIN_FILENO],
      .out_is_closed = were_closed[STDOUT_FILENO],
      .reader_is_gone = [] { return ReaderIsGone(STDOUT_FILENO); },
      .out_is_terminal = ::isatty(STDOUT_FILENO) == 1,
      .err_is_terminal = ::isatty(STDERR_FILENO) == 1,
      .width = WidthOf(STDOUT_FILENO),
      .colour_allowed = ColourAllowed(),
      .variable = Variable,
      .clock = clock,
      .pause =
          [&](std::chrono::milliseconds longest) {
            const auto half = static_cast<uint64_t>(longest.count() / 2);
            const auto wait = half + random.Next() % (half + 1);
            std::this_thread::sleep_for(std::chrono::milliseconds(wait));
          },
      .new_request_id = [&] { return ids.New<CommandId>().ToString(); },
      .connect = connect,
      .database = tool,
      .version = TALLYMAN_VERSION,
      .extra_commands = {{"server", "Serve the operations over the network",
                          [&](const std::vector<std::string>& arguments) {
                            return RunServer(arguments, Variable, clock, random);
                          }},
                         {"agent", "Run the nodes of this machine",
                          [&](const std::vector<std::string>& arguments) {
                            return RunAgent(arguments, Variable, clock, random);
                          }}}};
  return cli::RunCli(argc, argv, environment);
}

}  // namespace
}  // namespace tallyman::app

int main(int argc, char** argv) {
  const auto were_closed = tallyman::app::OpenStandardDescriptors();
  // A file that grows beyond its limit is an error of the database, not the end of the program.
  std::signal(SIGXFSZ, SIG_IGN);
  // Output that nobody reads is an error too, which says what was done. Other programs that this
  // one starts get the signal as before: what is ignored would be ignored there too.
  std::signal(SIGPIPE, [](int) {});
  return tallyman::app::Main(argc, argv, were_closed);
}
