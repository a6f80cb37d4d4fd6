// What a method answers: a message, or the bytes of one.
//
// A mutation's answer is kept as bytes, because those are what a request id is answered with again.
// Whoever wants the message parses it on its own thread, not on the one that writes.
#pragma once

#include <google/protobuf/message.h>

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"

namespace tallyman {

class Reply {
 public:
  explicit Reply(std::unique_ptr<google::protobuf::Message> message);
  // `type` is a default instance, which lives for ever.
  Reply(const google::protobuf::Message& type, std::string bytes);

  // DATA_LOSS STORED_ANSWER_UNREADABLE when the bytes are not of such a message.
  Result<std::unique_ptr<google::protobuf::Message>> ToMessage() &&;
  std::string ToBytes() &&;

 private:
  std::unique_ptr<google::protobuf::Message> message_;  // null: it is in bytes_
  const google::protobuf::Message* type_ = nullptr;
  std::string bytes_;
};

// The message of an answer, or its error.
Result<std::unique_ptr<google::protobuf::Message>> ToMessage(Result<Reply> reply);

// Hears a method's answer, exactly once.
using Answer = std::function<void(Result<Reply>)>;

// Bytes that are equal for equal messages of one program.
std::string Serialize(const google::protobuf::Message& message);

}  // namespace tallyman
