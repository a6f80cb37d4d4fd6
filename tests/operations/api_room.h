// The whole API on a real database, in one process: what the tests of operations call.
#pragma once

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <string_view>

#include "api/dispatcher.h"
#include "tests/support/any_room.h"

namespace tallyman {

using google::protobuf::Message;
using MessageResult = Result<std::unique_ptr<Message>>;

// A fleet of one org "acme" (and an empty one, "beta"), one region "eu", hosts host-1 to host-4,
// images chain/full@1.0.0, 1.1.0 and 2.0.0 (two builds), and nodes n-1 to n-4 at 1.0.0. Not
// thread-safe.
class ApiRoom {
 public:
  ApiRoom();

  // Waits for the answer.
  MessageResult Call(std::string_view method, const Message& request, const Actor& actor) const;
  MessageResult Call(std::string_view method, const Message& request) const {
    return Call(method, request, admin);
  }
  // `text` is the request in protobuf's text format; $COMMAND in it is the command of
  // n-1 that is no upgrade.
  MessageResult Call(std::string_view method, const std::string& text) const;
  // The same, for calls that must succeed.
  std::unique_ptr<Message> Must(std::string_view method, const std::string& text) const;
  std::unique_ptr<Message> Parse(std::string_view method, const std::string& text) const;

  // Every row of every table.
  std::string Dump() { return room.Dump(); }
  // Writes past the store, with foreign keys off.
  void Sql(const std::string& sql) { room.Sql(sql); }
  bool IsBalanced();

  AnyRoom room;
  api::Dispatcher dispatcher{*room.control};
  Actor admin{.id = "tester", .role = Role::kAdmin};
};

inline std::string TextOf(const MessageResult& answer) {
  return answer ? (*answer)->ShortDebugString()
                : answer.error().reason + ": " + answer.error().message;
}

}  // namespace tallyman
