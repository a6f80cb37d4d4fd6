#include "cli/context.h"

#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>

#include "cli/document.h"
#include "cli/target.h"

namespace tallyman::cli {

namespace {

// "tallyman.v1.OrgService/GetOrg".
std::string NameOf(const google::protobuf::MethodDescriptor& method) {
  return fmt::format("{}/{}", method.service()->full_name(), method.name());
}

// Looks now and then until it is so, or until it is stopped.
void AwaitUnread(const std::function<bool()>& reader_is_gone, const std::stop_token& token,
                 std::atomic<bool>& unread) {
  constexpr std::chrono::milliseconds kLook{200};
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::condition_variable_any never;
  while (!token.stop_requested() && !unread) {
    never.wait_for(lock, token, kLook, [] { return false; });
    unread = reader_is_gone();
  }
}

// The text of that field; "" where there is no such field.
std::string TextIn(const google::protobuf::Message& message, const std::string& name) {
  const auto* field = message.GetDescriptor()->FindFieldByName(name);
  return field == nullptr ? std::string() : message.GetReflection()->GetString(message, field);
}

bool IsSet(const google::protobuf::Message& message, const std::string& name) {
  const auto* field = message.GetDescriptor()->FindFieldByName(name);
  return field != nullptr && message.GetReflection()->GetBool(message, field);
}

}  // namespace

const google::protobuf::MethodDescriptor& MethodOf(const google::protobuf::Message& request) {
  const google::protobuf::FileDescriptor* file = request.GetDescriptor()->file();
  for (int s = 0; s < file->service_count(); ++s) {
    for (int m = 0; m < file->service(s)->method_count(); ++m) {
      const auto* method = file->service(s)->method(m);
      if (method->input_type() == request.GetDescriptor()) return *method;
    }
  }
  throw std::logic_error("no method takes a " + request.GetTypeName());
}

Result<std::string> Context::Database() {
  ASSIGN_OR_RETURN(const ConnectOptions target, FindTarget(*this));
  if (!target.server) return target.dsn;
  return Fail(InvalidArgument(
      "NEEDS_DATABASE",
      fmt::format("this command needs the database itself, and {} is a server: run it where the "
                  "database is, with --db",
                  target.server->url)));
}

Status Context::Connect() {
  if (client_ != nullptr) return {};
  ASSIGN_OR_RETURN(ConnectOptions target, FindTarget(*this));
  target.may_create = may_create_;
  timeout_ = target.timeout;
  target.on_wait = [this](const client::Waiting& waiting) { ShowWaiting(waiting); };
  ASSIGN_OR_RETURN(client_, environment_.connect(target));
  return {};
}

// From the second second on: a line that changes on a terminal, and one that stays elsewhere.
void Context::ShowWaiting(const client::Waiting& waiting) {
  const auto waited = std::chrono::duration_cast<std::chrono::seconds>(waiting.waited);
  if (globals_.quiet || waited < std::chrono::seconds(1)) return;
  const std::lock_guard lock(line_mutex_);
  const bool is_first = !std::exchange(waiting_is_shown_, true);
  if (!is_first && !environment_.err_is_terminal) return;
  environment_.err << fmt::format(
                          "{}waiting for the {} ({}), {} s of {} s{}",
                          environment_.err_is_terminal ? kEraseLine : "",
                          waiting.error.resource.starts_with("database") ? "database" : "server",
                          waiting.error.reason, waited.count(),
                          std::chrono::duration_cast<std::chrono::seconds>(waiting.timeout).count(),
                          environment_.err_is_terminal ? "" : "\n")
                   << std::flush;
}

void Context::EndWaiting() {
  const std::lock_guard lock(line_mutex_);
  if (std::exchange(waiting_is_shown_, false) && environment_.err_is_terminal)
    environment_.err << kEraseLine << std::flush;
}

Status Context::Send(const google::protobuf::Message& request,
                     google::protobuf::Message& response) {
  RETURN_IF_ERROR(Connect());
  const Status called = client_->Call(NameOf(MethodOf(request)), request, response);
  EndWaiting();
  const std::string request_id = TextIn(request, "request_id");
  const bool changes = !request_id.empty() && !IsSet(request, "dry_run");
  open_ = {};
  if (!called && changes && client::OutcomeIsOpen(called.error())) {
    open_ = {.method = MethodOf(request).name(),
             .request_id = request_id,
             .is_the_command = request_id == last_request_id_};
  }
  if (called && changes)
    changes_.push_back({.method = MethodOf(request).name(), .request_id = request_id});
  return called;
}

Status Context::Call(const google::protobuf::Message& request,
                     google::protobuf::Message& response) {
  RETURN_IF_ERROR(Send(request, response));
  TakeWarnings(response);
  return {};
}

// Those of rows of a list are not for every reader of the list.
void Context::TakeWarnings(const google::protobuf::Message& message) {
  const auto& reflection = *message.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const auto* field : fields) {
    if (field->message_type() == nullptr) continue;
    if (field->message_type() == v1::Warning::descriptor() && field->is_repeated()) {
      for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
        const auto& warning =
            static_cast<const v1::Warning&>(reflection.GetRepeatedMessage(message, field, i));
        const bool known = std::ranges::any_of(warnings_, [&](const v1::Warning& other) {
          return other.reason() == warning.reason() && other.message() == warning.message();
        });
        if (!known) warnings_.push_back(warning);
      }
    } else if (!field->is_repeated()) {
      TakeWarnings(reflection.GetMessage(message, field));
    }
  }
}

Status Context::Stream(const google::protobuf::Message& request,
                       const std::function<bool(const google::protobuf::Message&)>& on_message) {
  RETURN_IF_ERROR(Connect());
  bool has_enough = false;
  const auto take = [&](const google::protobuf::Message& message) {
    has_enough = !on_message(message);
    return !has_enough;
  };
  std::atomic<bool> unread{false};
  const std::jthread watch([&](const std::stop_token& token) {
    if (environment_.reader_is_gone) AwaitUnread(environment_.reader_is_gone, token, unread);
  });
  const Status ended = client_->Stream(NameOf(MethodOf(request)), request, take, &unread);
  // As when something is written there.
  if (unread && !has_enough) environment_.out.setstate(std::ios::badbit);
  return ended;
}

std::string Context::RequestId(const std::string& given) {
  last_request_id_ = given.empty() ? environment_.new_request_id() : given;
  return last_request_id_;
}

void Context::Line(std::string_view text, Colour colour) {
  environment_.out << Paint(text, colour, colour_on()) << '\n';
}

void Context::Confirm(std::string_view key, std::string_view value, std::string_view line) {
  SetDone(line);
  if (is_table()) return Line(line, Colour::kGreen);
  PrintDocument(boost::json::object{{key, ToJsonString(value)}});
}

void Context::Detail(std::string_view text, Colour colour) {
  if (!globals_.quiet) Line(text, colour);
}

void Context::Detail(const Table& table) {
  if (globals_.quiet) return;
  if (!globals_.wide && table.has_wide_columns()) {
    environment_.out << table.Narrow().Render(width_max(), colour_on());
  } else {
    environment_.out << table.Render(width_max(), colour_on());
  }
}

int Context::Answer(const google::protobuf::Message& answer, const std::function<void()>& show) {
  if (is_table()) {
    show();
  } else {
    PrintDocument(answer);
  }
  return kExitDone;
}

void Context::PrintDocument(const boost::json::value& document) {
  environment_.out << (globals_.output == OutputFormat::kJson ? ToJsonText(document)
                                                              : ToYamlText(document));
}

void Context::PrintDocument(const google::protobuf::Message& message) {
  PrintDocument(ToDocument(message));
}

}  // namespace tallyman::cli
