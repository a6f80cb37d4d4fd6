// Many agents at one server, each as on a host of its own, but for the containers, which only
// pretend: a token, a stream of wake-ups, connections, a journal (in memory).
//
//   agents_bench HOST:PORT ADMIN_TOKEN AGENTS
//
// Uses the first AGENTS hosts of the server, makes a node on each, then upgrades all of them by
// requests for one node from 64 clients. Prints JSON: agents, their time to join, upgrades asked
// for a second, and settled a second, from the first request to the last report.
#include <fmt/core.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include <atomic>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <condition_variable>
#include <deque>
#include <iostream>
#include <latch>
#include <thread>

#include "agent/core.h"
#include "agent/simulated_runtime.h"
#include "base/random.h"
#include "base/system.h"
#include "bench/fleet.h"
#include "client/network_client.h"
#include "tallyman/v1/host.pb.h"
#include "tallyman/v1/node.pb.h"
#include "tallyman/v1/token.pb.h"

namespace tallyman {
namespace {

using namespace tallyman::agent;
using namespace tallyman::client;
using Steady = std::chrono::steady_clock;
using std::chrono::hours;

constexpr int kClients = 64;
constexpr int kWorkers = 8;
constexpr Resources kCapacity{64, 256'000'000'000, 8'000'000'000'000};

void MustBeOk(const Status& status) {
  if (status) return;
  std::cerr << status.error().message << "\n";
  std::exit(1);
}

struct Shared {
  SystemClock clock;
  SeededRandom random{SystemSeed()};
  MemoryLog log;
  std::string server;
  std::atomic<int64_t> settled{0};

  std::unique_ptr<NetworkClient> Connect(const std::string& token) {
    auto client = NetworkClient::Make(
        {.server = "http://" + server, .token = token, .timeout = std::chrono::seconds(120)}, clock,
        random, [](std::chrono::milliseconds wait) { std::this_thread::sleep_for(wait); });
    if (!client) MustBeOk(Fail(client.error()));
    return std::move(*client);
  }
};

// Connected while there is something to say. A connection for each agent, and what libcurl opens
// beside it, would be more files than one process may have; on hosts each agent has a process.
class CallingClient final : public Client {
 public:
  CallingClient(Shared& shared, std::string token) : shared_(shared), token_(std::move(token)) {}
  Status Call(std::string_view method, const google::protobuf::Message& request,
              google::protobuf::Message& response) override {
    if (connected_ == nullptr) connected_ = shared_.Connect(token_);
    return connected_->Call(method, request, response);
  }
  void HangUp() { connected_.reset(); }

 private:
  Shared& shared_;
  const std::string token_;
  std::unique_ptr<NetworkClient> connected_;
};

// Counts the outcomes that the server has processed.
class MemoryJournal final : public Journal {
 public:
  explicit MemoryJournal(std::atomic<int64_t>& settled) : settled_(settled) {}
  Result<JournalState> Load() override { return state_; }
  Status Save(const JournalChange& change) override {
    for (const CommandId& id : change.erased_commands) {
      auto found = state_.commands.find(id);
      settled_ += found != state_.commands.end() && found->second.stage == Stage::kDone &&
                          found->second.outcome.result == CommandResult::kOk
                      ? 1
                      : 0;
    }
    Apply(change, state_);
    return {};
  }

 private:
  JournalState state_;
  std::atomic<int64_t>& settled_;
};

AgentOptions Options() {
  return {.agent_version = "bench",
          .execution = {.settle_time = {}, .health_interval = {}},
          .status_interval = hours(1),
          .care_interval = hours(1)};
}

struct Host {
  explicit Host(Shared& shared, const std::string& token)
      : journal(shared.settled),
        client(shared, token),
        core({client, journal, machine, shared.clock, shared.log}, Options()) {
    MustBeOk(core.Load());
  }

  // What a woken agent does.
  void Serve(Log& log) {
    std::lock_guard lock(mutex);
    do {
      if (Status talked = core.Talk(); !talked) {
        log.Write({LogLevel::kError, "talk_failed", talked.error().message, {}});
        return;
      }
      while (core.WorkOnce()) {
      }
    } while (core.HasNews());
    client.HangUp();
  }

  std::mutex mutex;
  MemoryJournal journal;
  SimulatedRuntime machine{kCapacity};
  CallingClient client;
  AgentCore core;
  std::atomic<bool> is_due{false};
};

// Agents that something may have come for, taken by a few threads.
class Crew {
 public:
  explicit Crew(Log& log) {
    for (int i = 0; i < kWorkers; ++i)
      threads_.emplace_back([this, &log](const std::stop_token& stop) {
        std::unique_lock lock(mutex_);
        while (due_changed_.wait(lock, stop, [&] { return !due_.empty(); })) {
          Host& host = *due_.front();
          due_.pop_front();
          lock.unlock();
          host.is_due = false;
          host.Serve(log);
          lock.lock();
        }
      });
  }
  void Wake(Host& host) {
    if (host.is_due.exchange(true)) return;
    std::lock_guard lock(mutex_);
    due_.push_back(&host);
    due_changed_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any due_changed_;
  std::deque<Host*> due_;
  std::vector<std::jthread> threads_;
};

// The streams of all agents. Whatever comes on one wakes its agent: signs of life do too, which is
// a call too many now and then.
class Streams {
 public:
  Streams(const std::string& server, Crew& crew)
      : server_(server), crew_(crew), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}
  void Open(Host& host, const std::string& token) {
    const size_t colon = server_.rfind(':');
    boost::asio::ip::tcp::socket socket(context_);
    socket.connect({boost::asio::ip::make_address(server_.substr(0, colon)),
                    static_cast<uint16_t>(std::stoi(server_.substr(colon + 1)))});
    // One enveloped message with nothing in it: from now on.
    std::string request = fmt::format(
        "POST /tallyman.v1.AgentService/WatchCommands HTTP/1.1\r\nHost: {}\r\n"
        "Authorization: Bearer {}\r\nContent-Type: application/connect+proto\r\n"
        "Connect-Protocol-Version: 1\r\nContent-Length: 5\r\n\r\n",
        server_, token);
    request.append(5, '\0');
    boost::asio::write(socket, boost::asio::buffer(request));
    epoll_event event{.events = EPOLLIN, .data = {.u64 = streams_.size()}};
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket.native_handle(), &event);
    streams_.emplace_back(std::move(socket), &host);
  }
  // REQUIRES: all are open.
  void Listen() {
    thread_ = std::jthread([this](const std::stop_token& stop) {
      std::array<epoll_event, 256> events{};
      std::array<char, 4096> rubbish{};
      while (!stop.stop_requested()) {
        const int count = ::epoll_wait(epoll_, events.data(), events.size(), 100);
        for (int i = 0; i < count; ++i) {
          auto& [socket, host] = streams_[events.at(i).data.u64];
          boost::system::error_code error;
          socket.read_some(boost::asio::buffer(rubbish), error);
          if (error) ::epoll_ctl(epoll_, EPOLL_CTL_DEL, socket.native_handle(), nullptr);
          lost_ += error ? 1 : 0;
          crew_.Wake(*host);
        }
      }
    });
  }
  int64_t lost() const { return lost_; }

 private:
  const std::string server_;
  Crew& crew_;
  int epoll_;
  boost::asio::io_context context_;
  std::vector<std::pair<boost::asio::ip::tcp::socket, Host*>> streams_;
  std::atomic<int64_t> lost_{0};
  std::jthread thread_;
};

double SecondsSince(Steady::time_point start) {
  return std::chrono::duration<double>(Steady::now() - start).count();
}

// Calls `work` with 0 to count - 1, from the clients' threads.
void ForEach(size_t count, const std::function<void(size_t)>& work) {
  std::atomic<size_t> next{0};
  std::vector<std::jthread> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back([&] {
      for (size_t at = next++; at < count; at = next++) work(at);
    });
  }
}

std::vector<std::string> HostNames(Client& admin, size_t count) {
  std::vector<std::string> names;
  v1::ListHostsRequest request;
  request.set_page_size(1000);
  do {
    v1::ListHostsResponse response;
    MustBeOk(admin.Call("tallyman.v1.HostService/ListHosts", request, response));
    for (const v1::Host& host : response.hosts()) names.push_back(host.name());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty() && names.size() < count);
  names.resize(std::min(names.size(), count));
  return names;
}

std::string NewToken(Client& admin, const std::string& host) {
  v1::CreateTokenRequest request;
  request.set_name("bench-" + host);
  request.set_role(v1::ROLE_HOST);
  request.set_host(host);
  v1::CreateTokenResponse response;
  MustBeOk(admin.Call("tallyman.v1.TokenService/CreateToken", request, response));
  return response.secret();
}

void CreateNode(Client& admin, const std::string& host) {
  v1::CreateNodesRequest request;
  request.set_image(kSmallImage);
  request.set_org(kBenchOrg);
  request.set_name("bench-" + host);
  v1::HostCount& on = *request.mutable_by_hosts()->add_hosts();
  on.set_host(host);
  on.set_count(1);
  v1::CreateNodesResponse response;
  MustBeOk(admin.Call("tallyman.v1.NodeService/CreateNodes", request, response));
}

void UpgradeNode(Client& admin, const std::string& host) {
  v1::UpgradeNodesRequest request;
  request.add_nodes("bench-" + host);
  request.set_image(kLargeImage);
  v1::UpgradeNodesResponse response;
  MustBeOk(admin.Call("tallyman.v1.NodeService/UpgradeNodes", request, response));
}

void AwaitSettled(const Shared& shared, int64_t count) {
  const auto start = Steady::now();
  while (shared.settled < count) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (SecondsSince(start) < 300) continue;
    std::cerr << "only " << shared.settled << " of " << count << " commands settled\n";
    for (const LogLine& line : shared.log.lines()) std::cerr << line.message << "\n";
    std::exit(1);
  }
}

int Main(const std::string& server, const std::string& token, size_t agents) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  Shared shared;
  shared.server = server;
  const auto admin = shared.Connect(token);
  const std::vector<std::string> names = HostNames(*admin, agents);
  const auto count = static_cast<int64_t>(names.size());

  const auto joining = Steady::now();
  std::vector<std::string> tokens(names.size());
  ForEach(names.size(), [&](size_t at) { tokens[at] = NewToken(*admin, names[at]); });
  std::vector<std::unique_ptr<Host>> hosts;
  for (const std::string& text : tokens) hosts.push_back(std::make_unique<Host>(shared, text));
  Crew crew(shared.log);
  Streams streams(server, crew);
  for (size_t i = 0; i < hosts.size(); ++i) streams.Open(*hosts[i], tokens[i]);
  streams.Listen();
  const double joined = SecondsSince(joining);

  ForEach(names.size(), [&](size_t at) { CreateNode(*admin, names[at]); });
  AwaitSettled(shared, count);

  const auto start = Steady::now();
  ForEach(names.size(), [&](size_t at) { UpgradeNode(*admin, names[at]); });
  const double asked = SecondsSince(start);
  AwaitSettled(shared, 2 * count);
  const double settled = SecondsSince(start);
  fmt::print(
      R"({{"agents": {}, "join_seconds": {:.1f}, "asked_rate": {:.0f}, "settled_rate": {:.0f}, "streams_lost": {}}})"
      "\n",
      count, joined, static_cast<double>(count) / asked, static_cast<double>(count) / settled,
      streams.lost());
  return 0;
}

}  // namespace
}  // namespace tallyman

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: agents_bench HOST:PORT ADMIN_TOKEN AGENTS\n";
    return 2;
  }
  return tallyman::Main(argv[1], argv[2], std::stoul(argv[3]));
}
