#include "api/reply.h"

#include <fmt/core.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <utility>

namespace tallyman::api {

using google::protobuf::Message;

Reply::Reply(std::unique_ptr<Message> message) : message_(std::move(message)) {}

Reply::Reply(const Message& type, std::string bytes) : type_(&type), bytes_(std::move(bytes)) {}

Result<std::unique_ptr<Message>> Reply::ToMessage() && {
  if (message_ != nullptr) return std::move(message_);
  std::unique_ptr<Message> message(type_->New());
  if (message->ParseFromString(bytes_)) return message;
  return Fail(DataLoss("STORED_ANSWER_UNREADABLE",
                       fmt::format("the stored answer of an earlier request with this id is not a "
                                   "{}: send the request again with another id",
                                   type_->GetTypeName())));
}

std::string Reply::ToBytes() && {
  return message_ != nullptr ? Serialize(*message_) : std::move(bytes_);
}

Result<std::unique_ptr<Message>> ToMessage(Result<Reply> reply) {
  if (!reply) return Fail(std::move(reply).error());
  return (*std::move(reply)).ToMessage();
}

std::string Serialize(const Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializePartialToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

}  // namespace tallyman::api
