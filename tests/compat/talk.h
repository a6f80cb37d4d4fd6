// What programs of the last release said to each other, byte for byte, and the API as they knew it.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tallyman::compat {

// A call over HTTP/1.1: head and body of both sides. Of a stream the answer may have no end.
struct Exchange {
  std::string path;  // "/tallyman.v1.NodeService/GetNode"
  std::string request;
  std::string response;
};

struct CommandTalk {
  std::vector<std::string> words;
  int status = 0;
  std::vector<std::string> shows;  // words that its output had
  std::vector<Exchange> exchanges;
};

struct Talk {
  std::string token;       // of an admin of all orgs
  std::string join_token;  // for host h1
  std::vector<Exchange> agent;
  std::vector<CommandTalk> commands;  // after what the agent said
  std::string unknown_method;         // the answer to a method that the release did not have
};

Talk ReadTalk();
// A file of the recordings.
std::string ReadRecording(const std::string& name);

// What stands behind the head of a message. Chunks are put together.
std::string BodyOf(std::string_view message);
int StatusOf(std::string_view response);
std::string Replaced(std::string text, std::string_view old, std::string_view now);

// The release's own definition of the API.
class OldApi {
 public:
  OldApi();
  const google::protobuf::FileDescriptorSet& files() const { return files_; }
  const google::protobuf::DescriptorPool& pool() const { return pool_; }
  // The answer as a program of the release reads it, as JSON: what it does not know is left out,
  // and ids, times, secrets, digests and versions of rows are masked, since each run has its own.
  std::string Shown(const std::string& path, const std::string& body) const;
  // A text field of an answer.
  std::string FieldOf(const std::string& path, const std::string& body,
                      const std::string& field) const;

 private:
  std::unique_ptr<google::protobuf::Message> Parse(const std::string& path,
                                                   const std::string& body) const;
  google::protobuf::FileDescriptorSet files_;
  google::protobuf::DescriptorPool pool_;
  mutable google::protobuf::DynamicMessageFactory factory_{&pool_};
};

}  // namespace tallyman::compat
