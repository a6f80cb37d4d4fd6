#include "cli/context.h"

#include <fmt/core.h>

#include <boost/json.hpp>
#include <stdexcept>

#include "cli/document.h"
#include "cli/target.h"

namespace tallyman::cli {

namespace {

// "tallyman.v1.OrgService/GetOrg".
std::string NameOf(const google::protobuf::MethodDescriptor& method) {
  return fmt::format("{}/{}", method.service()->full_name(), method.name());
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
  ASSIGN_OR_RETURN(client_, environment_.connect(target));
  return {};
}

Status Context::Call(const google::protobuf::Message& request,
                     google::protobuf::Message& response) {
  RETURN_IF_ERROR(Connect());
  return client_->Call(NameOf(MethodOf(request)), request, response);
}

Status Context::Stream(const google::protobuf::Message& request,
                       const std::function<bool(const google::protobuf::Message&)>& on_message) {
  RETURN_IF_ERROR(Connect());
  return client_->Stream(NameOf(MethodOf(request)), request, on_message, nullptr);
}

std::string Context::RequestId(const std::string& given) {
  last_request_id_ = given.empty() ? environment_.new_request_id() : given;
  return last_request_id_;
}

void Context::Line(std::string_view text, Colour colour) {
  environment_.out << Paint(text, colour, colour_on()) << '\n';
}

void Context::Confirm(std::string_view key, std::string_view value, std::string_view line) {
  if (is_table()) return Line(line, Colour::kGreen);
  PrintDocument(boost::json::object{{key, ToJsonString(value)}});
}

void Context::Detail(std::string_view text, Colour colour) {
  if (!globals_.quiet) Line(text, colour);
}

void Context::Detail(const Table& table) {
  if (globals_.quiet) return;
  environment_.out << table.Render(environment_.out_is_terminal ? environment_.width : 0,
                                   colour_on());
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
