// A method of the API: the types of its messages, and its implementation.
//
// The table of methods consists of one list per service; a test proves that it has exactly the
// methods of the API definition.
#pragma once

#include <google/protobuf/message.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/reply.h"
#include "control/control.h"

namespace tallyman::api {

class LogRelay;

struct Method {
  std::string name;      // full: "tallyman.v1.NodeService/UpgradeNodes"
  bool mutates = false;  // idempotent by its request id
  const google::protobuf::Message* request = nullptr;  // default instances; live forever
  const google::protobuf::Message* response = nullptr;
  // REQUIRES: the message has the request's type.
  std::function<void(control::Control&, control::Call, const google::protobuf::Message&, Answer)>
      run;
  // Called by hosts: also changes something, and is idempotent by other means than a request id.
  bool of_hosts = false;

  bool only_reads() const { return !mutates && !of_hosts; }
};

// Receives a mutation's encoded answer and passes it on.
inline control::Done AsReply(const google::protobuf::Message& type, Answer answer) {
  return [&type, answer = std::move(answer)](Result<std::string> bytes) {
    if (!bytes) return answer(Fail(std::move(bytes).error()));
    answer(Reply(type, *std::move(bytes)));
  };
}

// A method that only reads: Result<Response> read(Control&, const Call&, const Request&).
template <class Request, class Response, class Read>
Method ReadMethod(std::string name, Read read) {
  return {std::move(name),
          false,
          &Request::default_instance(),
          &Response::default_instance(),
          [read = std::move(read)](control::Control& control, const control::Call& call,
                                   const google::protobuf::Message& request, const Answer& answer) {
            auto response = read(control, call, static_cast<const Request&>(request));
            if (!response) return answer(Fail(std::move(response).error()));
            answer(Reply(std::make_unique<Response>(*std::move(response))));
          },
          false};
}

template <class Request, class Response>
Method ReadMethod(std::string name,
                  Result<Response> (*read)(control::Control&, const control::Call&,
                                           const Request&)) {
  return ReadMethod<Request, Response, decltype(read)>(std::move(name), read);
}

// A method that changes something: Status f(Control&, Call, const Request&, Done). It either
// returns an error and never calls `done`, or ensures that `done` is called with an encoded
// Response.
template <class Response, class Request>
Method WriteMethod(std::string name, Status (*write)(control::Control&, control::Call,
                                                     const Request&, control::Done)) {
  return {std::move(name),
          true,
          &Request::default_instance(),
          &Response::default_instance(),
          [write](control::Control& control, control::Call call,
                  const google::protobuf::Message& request, const Answer& answer) {
            control::Done done = AsReply(Response::default_instance(), answer);
            auto status = write(control, std::move(call), static_cast<const Request&>(request),
                                std::move(done));
            if (!status) answer(Fail(std::move(status).error()));
          },
          false};
}

// The same for methods that hosts call.
template <class Response, class Request>
Method HostMethod(std::string name, Status (*write)(control::Control&, control::Call,
                                                    const Request&, control::Done)) {
  Method method = WriteMethod<Response>(std::move(name), write);
  method.mutates = false;
  method.of_hosts = true;
  return method;
}

std::vector<Method> AgentMethods();
Method ApplyFleetMethod();
std::vector<Method> OrgAndRegionMethods();
std::vector<Method> HostMethods();
std::vector<Method> CatalogMethods();
std::vector<Method> NodeMethods();
std::vector<Method> FleetMethods();
std::vector<Method> HistoryMethods();  // commands, events, ledger
std::vector<Method> AuditMethods();
std::vector<Method> RolloutMethods();
std::vector<Method> TokenMethods();
std::vector<Method> UpgradePolicyMethods();
std::vector<Method> LogMethods(std::shared_ptr<LogRelay> relay);

}  // namespace tallyman::api
