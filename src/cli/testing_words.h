// The command line in a test's own process, without a database: what its commands call is a fake.
#pragma once

#include <google/protobuf/message.h>

#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "cli/cli.h"

namespace tallyman::cli {

class NoDatabase : public DatabaseTool {
 public:
  Result<MigrateReport> Migrate(const std::string&) override { return Fail(Gone()); }
  Status Backup(const std::string&, const std::string&,
                const std::function<void(int64_t, int64_t)>&) override {
    return Fail(Gone());
  }
  Result<RestoreReport> Restore(const std::string&, const std::string&,
                                const std::function<void(int64_t, int64_t)>&) override {
    return Fail(Gone());
  }
  Result<CheckReport> Check(const std::string&) override { return Fail(Gone()); }
  Result<CopiedReport> Copy(const std::string&, const std::string&,
                            const std::function<void(int64_t)>&) override {
    return Fail(Gone());
  }
  std::string Shown(const std::string& dsn) override { return dsn; }

  static Error Gone() { return {Code::kUnknown, "GONE", "the database is gone"}; }
};

// Answers with what a test has set for a method, else with an empty message.
class FakeClient : public client::Client {
 public:
  using Message = google::protobuf::Message;

  // `answer` gets the request and fills the response.
  template <class Request, class Response>
  void On(const std::string& method, std::function<Status(const Request&, Response&)> answer) {
    answers_["tallyman.v1." + method] = [answer](const Message& request, Message& response) {
      return answer(static_cast<const Request&>(request), static_cast<Response&>(response));
    };
  }
  Status Call(std::string_view method, const Message& request, Message& response) override {
    calls.emplace_back(method.substr(method.find('/') + 1));
    const auto found = answers_.find(std::string(method));
    return found == answers_.end() ? Status() : found->second(request, response);
  }

  std::vector<std::string> calls;  // "CreateOrg"

 private:
  std::map<std::string, std::function<Status(const Message&, Message&)>> answers_;
};

struct Ran {
  int status = 0;
  std::string out;
  std::string err;
};

struct RunOptions {
  FakeClient* client = nullptr;  // null: every database is gone
  std::string in = {};
  bool in_is_closed = false;
  bool out_is_closed = false;
  bool out_fails = false;  // whatever is written
  bool reader_is_gone = false;
  bool is_terminal = false;  // of 80 columns
};

inline Ran RunWords(const std::vector<std::string>& words, const RunOptions& options = {}) {
  std::istringstream in(options.in);
  std::ostringstream shown;
  std::ostream out(options.out_fails ? nullptr : shown.rdbuf());
  std::ostringstream err;
  ManualClock clock(Time{});
  NoDatabase database;
  // What lives as long as the command belongs to it; the fake is the test's.
  struct Forwarding : client::Client {
    explicit Forwarding(FakeClient& target) : to(target) {}
    Status Call(std::string_view method, const google::protobuf::Message& request,
                google::protobuf::Message& response) override {
      return to.Call(method, request, response);
    }
    Status Stream(std::string_view method, const google::protobuf::Message& request,
                  const std::function<bool(const google::protobuf::Message&)>& on_message,
                  const std::atomic<bool>* stop) override {
      return to.Stream(method, request, on_message, stop);
    }
    FakeClient& to;
  };
  CliEnvironment environment{
      .in = in,
      .out = out,
      .err = err,
      .in_is_closed = options.in_is_closed,
      .out_is_closed = options.out_is_closed,
      .reader_is_gone = [&] { return options.reader_is_gone; },
      .out_is_terminal = options.is_terminal,
      .variable = [](std::string_view) { return std::nullopt; },
      .clock = clock,
      .pause = [&](std::chrono::milliseconds longest) { clock.Advance(longest); },
      .new_request_id = [] { return std::string("fresh-id"); },
      .connect = [&](const ConnectOptions&) -> Result<std::unique_ptr<client::Client>> {
        if (options.client == nullptr) return Fail(NoDatabase::Gone());
        return std::make_unique<Forwarding>(*options.client);
      },
      .database = database,
      .version = "1.2.3",
      .extra_commands = {{.name = "agent",
                          .description = "Run the agent",
                          .run = [](const std::vector<std::string>& rest) {
                            return static_cast<int>(rest.size());
                          }}}};
  std::vector<const char*> argv = {"tallyman"};
  for (const std::string& word : words) argv.push_back(word.c_str());
  const int status = RunCli(static_cast<int>(argv.size()), argv.data(), environment);
  return {.status = status, .out = shown.str(), .err = err.str()};
}

}  // namespace tallyman::cli
