// The answer of a method: a message, or the bytes of one.
//
// A mutation's answer is kept as bytes, because a replay of its request id returns those bytes. A
// caller that needs the message parses it on its own thread, not on the writing one.
#pragma once

#include <google/protobuf/message.h>

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"

namespace tallyman::api {

class Reply {
 public:
  explicit Reply(std::unique_ptr<google::protobuf::Message> message);
  // `type` is a default instance, which lives forever.
  Reply(const google::protobuf::Message& type, std::string bytes);

  // DATA_LOSS STORED_ANSWER_UNREADABLE when the bytes are not such a message.
  Result<std::unique_ptr<google::protobuf::Message>> ToMessage() &&;
  std::string ToBytes() &&;

 private:
  std::unique_ptr<google::protobuf::Message> message_;  // null: it is in bytes_
  const google::protobuf::Message* type_ = nullptr;
  std::string bytes_;
};

// The message of an answer, or its error.
Result<std::unique_ptr<google::protobuf::Message>> ToMessage(Result<Reply> reply);

// Receives a method's answer, exactly once.
using Answer = std::function<void(Result<Reply>)>;

// Bytes that are equal for equal messages within one program (deterministic).
std::string Serialize(const google::protobuf::Message& message);

}  // namespace tallyman::api
