// What every command works with: the global options, the client, and the way out.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <boost/json/value.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/cli.h"
#include "cli/document.h"
#include "cli/errors.h"
#include "cli/table.h"
#include "tallyman/v1/common.pb.h"

namespace tallyman::cli {

inline constexpr int kExitDone = 0;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitDrift = 3;
inline constexpr int kExitUnwell = 10;
inline constexpr int kExitUnread = 141;

enum class OutputFormat { kTable, kJson, kYaml };

struct GlobalOptions {
  std::string db;
  std::string server;
  std::string context;
  std::string token;
  std::string token_file;
  std::string ca;
  std::string timeout;
  bool insecure = false;
  std::string actor;
  OutputFormat output = OutputFormat::kTable;
  bool wide = false;  // tables have all their columns, and nothing is cut
  bool quiet = false;
};

// The method that takes such a request: each has a request type of its own.
const google::protobuf::MethodDescriptor& MethodOf(const google::protobuf::Message& request);

// A command gives the exit status of the process, or the error that decides it.
using ExitStatus = Result<int>;

// Lives as long as one command; not thread-safe.
class Context {
 public:
  Context(CliEnvironment& environment, GlobalOptions globals)
      : environment_(environment), globals_(std::move(globals)) {}

  CliEnvironment& environment() { return environment_; }
  const GlobalOptions& globals() const { return globals_; }
  bool is_table() const { return globals_.output == OutputFormat::kTable; }
  bool colour_on() const { return environment_.out_is_terminal && environment_.colour_allowed; }

  // The database that is meant (target.h). INVALID_ARGUMENT, reason NEEDS_DATABASE, where it is a
  // server.
  Result<std::string> Database();

  // A database that is not there is made by the first call, a read too. For commands that fill one;
  // not for their dry runs.
  void MayCreateDatabase() { may_create_ = true; }
  // Calls the method of the request (MethodOf). Connects at the first call.
  Status Call(const google::protobuf::Message& request, google::protobuf::Message& response);
  // Of a call; known once there was one.
  std::chrono::milliseconds timeout() const { return timeout_; }
  // A method that answers with a stream; false from `on_message` ends it.
  Status Stream(const google::protobuf::Message& request,
                const std::function<bool(const google::protobuf::Message&)>& on_message);
  template <class Response>
  Result<Response> Call(const google::protobuf::Message& request) {
    Response response;
    RETURN_IF_ERROR(Call(request, response));
    return response;
  }
  // The same, for an answer that nobody sees: what it warns of counts for nothing.
  template <class Response>
  Result<Response> CallUnseen(const google::protobuf::Message& request) {
    Response response;
    RETURN_IF_ERROR(Send(request, response));
    return response;
  }

  // What a message warns of that is no answer as it stands. Call() does it for answers.
  void TakeWarnings(const google::protobuf::Message& message);
  // What the answers warned of, in their order, each once. RunCli() shows it to people; documents
  // have it where the answer has it.
  const std::vector<v1::Warning>& warnings() const { return warnings_; }

  // A request that changed something.
  struct Change {
    std::string method;  // "CreateNodes"
    std::string request_id;
  };
  const std::vector<Change>& changes() const { return changes_; }
  // That something was changed without a request, in a sentence.
  void SetDone(std::string_view sentence) { done_ = sentence; }
  const std::string& done() const { return done_; }

  // The request that failed so that it is not known whether it was carried out, if the last one
  // did.
  const OpenChange& open_change() const { return open_; }

  // `given`, or a fresh id when it is empty. The newest one is kept: it is that of the command, and
  // the command can be repeated with it.
  std::string RequestId(const std::string& given);
  const std::string& last_request_id() const { return last_request_id_; }

  // A command whose statuses mean something else may give all its errors one of its own.
  void SetErrorStatus(int status) { error_status_ = status; }
  int ExitStatusOf(const Error& error) const {
    return error_status_.value_or(RowOf(error.code).exit_status);
  }

  // Text on `out`, of commands in table format. Details are left out under --quiet.
  void Line(std::string_view text, Colour colour = Colour::kNone);
  void Detail(std::string_view text, Colour colour = Colour::kNone);
  void Detail(const Table& table);
  // How wide a table may be; 0: as wide as it is.
  int width_max() const {
    return environment_.out_is_terminal && !globals_.wide ? environment_.width : 0;
  }

  // That something was changed without a request: the line, or a document of one key.
  void Confirm(std::string_view key, std::string_view value, std::string_view line);

  // The answer of a method as JSON or YAML, or as `show` prints it in table format. Gives
  // kExitDone.
  int Answer(const google::protobuf::Message& answer, const std::function<void()>& show);

  // The document as JSON or YAML. REQUIRES: !is_table().
  void PrintDocument(const boost::json::value& document);
  void PrintDocument(const google::protobuf::Message& message);
  // The same for a list that is printed page by page.
  ListText MakeListText() const {
    return ListText(globals_.output == OutputFormat::kJson ? ListText::Form::kJson
                                                           : ListText::Form::kYaml);
  }

 private:
  friend class Progress;
  Status Connect();
  void ShowWaiting(const client::Waiting& waiting);
  void EndWaiting();
  Status Send(const google::protobuf::Message& request, google::protobuf::Message& response);

  CliEnvironment& environment_;
  GlobalOptions globals_;
  std::unique_ptr<client::Client> client_;
  // Guards the line on a terminal that says what is going on, and whether it says what is waited
  // for.
  std::mutex line_mutex_;
  bool waiting_is_shown_ = false;
  std::string last_request_id_;
  OpenChange open_;
  std::vector<v1::Warning> warnings_;
  std::vector<Change> changes_;
  std::string done_;
  bool may_create_ = false;
  std::chrono::milliseconds timeout_{};
  std::optional<int> error_status_;
};

}  // namespace tallyman::cli
