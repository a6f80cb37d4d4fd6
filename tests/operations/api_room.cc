#include "tests/operations/api_room.h"

#include <fmt/core.h>

#include <stdexcept>

#include "tallyman/v1/command.pb.h"

namespace tallyman {

using namespace tallyman::api;

ApiRoom::ApiRoom() {
  room.AddFleet(4);
  room.AddImage("1.0.0", {2, 4 * kGiga, 100 * kGiga},
                {{.key = "archive",
                  .description = "",
                  .default_value = "off",
                  .add = {1, kGiga, 50 * kGiga}}});
  room.AddImage("1.1.0", {4, 8 * kGiga, 200 * kGiga},
                {{.key = "archive",
                  .description = "",
                  .default_value = "off",
                  .add = {2, kGiga, 50 * kGiga}}});
  room.AddImage("2.0.0", {1, kGiga, 50 * kGiga});
  room.AddImage("2.0.0", {1, kGiga, 50 * kGiga});
  EXPECT_TRUE(room.AddNodes("1.0.0", "n", 4));
  Must("OrgService/CreateOrg", R"(name: "beta")");
}

std::unique_ptr<Message> ApiRoom::Parse(std::string_view method, const std::string& text) const {
  auto request = dispatcher.NewRequest(fmt::format("tallyman.v1.{}", method));
  if (request == nullptr) throw std::runtime_error(fmt::format("no method {}", method));
  std::string filled = text;
  if (const size_t at = text.find("$COMMAND"); at != std::string::npos) {
    const auto commands =
        Must("CommandService/ListCommands", R"(filter: "node=n-1 kind!=node_upgrade")");
    filled.replace(at, std::string_view("$COMMAND").size(),
                   static_cast<v1::ListCommandsResponse&>(*commands).commands(0).id());
  }
  if (!google::protobuf::TextFormat::ParseFromString(filled, request.get())) {
    throw std::runtime_error(fmt::format("no {}: {}", request->GetTypeName(), text));
  }
  return request;
}

MessageResult ApiRoom::Call(std::string_view method, const Message& request,
                            const Actor& actor) const {
  std::promise<Result<Reply>> promise;
  auto future = promise.get_future();
  dispatcher.Dispatch(fmt::format("tallyman.v1.{}", method), request, {.actor = actor},
                      [&promise](Result<Reply> reply) { promise.set_value(std::move(reply)); });
  return ToMessage(future.get());
}

MessageResult ApiRoom::Call(std::string_view method, const std::string& text) const {
  return Call(method, *Parse(method, text));
}

std::unique_ptr<Message> ApiRoom::Must(std::string_view method, const std::string& text) const {
  MessageResult answer = Call(method, text);
  if (!answer) throw std::runtime_error(fmt::format("{} {}: {}", method, text, TextOf(answer)));
  return *std::move(answer);
}

bool ApiRoom::IsBalanced() {
  auto audit = room.Audit();
  EXPECT_TRUE(audit) << (audit ? "" : audit.error().message);
  // Of the books: reports that tests send are of no machine.
  return audit && audit->drifts_total == 0;
}

}  // namespace tallyman
