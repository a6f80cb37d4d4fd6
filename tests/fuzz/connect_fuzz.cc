// What the protocol makes of bytes from strangers: heads, envelopes, messages in both forms, packed
// bodies, errors of servers. Whatever it takes it must be able to give back.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>

#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "rpc/call_head.h"
#include "rpc/envelope.h"
#include "rpc/gzip.h"
#include "rpc/message_codec.h"
#include "rpc/wire_error.h"
#include "tallyman/v1/catalog.pb.h"
#include "tallyman/v1/event.pb.h"
#include "tallyman/v1/node.pb.h"

namespace tallyman {
namespace {

using namespace tallyman::rpc;
using google::protobuf::Message;

constexpr size_t kMessageMax = 1 << 16;

void Require(bool holds) {
  if (!holds) std::abort();
}

void TryHead(std::string_view text) {
  std::vector<std::string_view> fields;
  for (size_t at = 0; fields.size() < 7;) {
    size_t end = text.find('\n', at);
    fields.push_back(at <= text.size() ? text.substr(at, end - at) : std::string_view());
    at = end == std::string_view::npos ? text.size() + 1 : end + 1;
  }
  CallHead head{.verb = fields[0],
                .content_type = fields[1],
                .protocol_version = fields[2],
                .timeout_ms = fields[3],
                .content_encoding = fields[4],
                .accept_encoding = fields[5],
                .stream_content_encoding = fields[6]};
  for (MethodKind kind : {MethodKind::kUnary, MethodKind::kServerStream}) {
    auto terms = ReadCallHead(head, kind);
    if (terms && terms->timeout) Require(terms->timeout->count() >= 0);
    if (!terms) Require(!terms.error().error.reason.empty());
  }
}

void TryMessage(Codec codec, std::string_view bytes, Message& message) {
  auto parsed = ParseMessage(codec, bytes, message);
  if (!parsed) {
    Require(parsed.error().code == Code::kInvalidArgument && !parsed.error().message.empty());
    return;
  }
  auto again = FormatMessage(codec, message);
  if (again) return;
  Require(again.error().reason == "UNPRINTABLE_MESSAGE");
}

void TryMessages(std::string_view bytes) {
  for (Codec codec : {Codec::kJson, Codec::kProto}) {
    v1::UpgradeNodesRequest upgrade;
    v1::CreateNodesRequest create;
    v1::CreateImagesRequest images;
    v1::WatchEventsRequest watch;
    for (Message* message : {static_cast<Message*>(&upgrade), static_cast<Message*>(&create),
                             static_cast<Message*>(&images), static_cast<Message*>(&watch)}) {
      TryMessage(codec, bytes, *message);
    }
  }
}

void TryEnvelopes(std::string_view bytes) {
  EnvelopeReader whole(kMessageMax), pieces(kMessageMax);
  whole.Append(bytes);
  std::vector<std::string> first, second;
  auto take = [](EnvelopeReader& reader, std::vector<std::string>& into) {
    while (true) {
      auto next = reader.Next();
      if (!next || !*next) return next.has_value();
      into.push_back((*next)->message);
    }
  };
  bool fine = take(whole, first);
  for (char byte : bytes) {
    pieces.Append({&byte, 1});
    if (!take(pieces, second)) break;
  }
  if (fine) Require(first == second);
  auto only = OnlyMessageOf(bytes);
  if (only) Require(only->size() + kEnvelopePrefixBytes == bytes.size());
}

void TryAnswers(std::string_view bytes) {
  Error error = ErrorFromResponse(400 + static_cast<int>(bytes.size() % 200), bytes);
  Require(ErrorFromResponse(500, ErrorJson(error)).code == error.code);
  if (auto ended = ParseEndStream(bytes); !ended)
    Require(RowOf(ended.error().code).http_status > 0);
  auto unpacked = Gunzip(bytes, kMessageMax);
  if (unpacked) Require(unpacked->size() <= kMessageMax);
  Require(Gunzip(Gzip(bytes), bytes.size()) == std::string(bytes));
}

}  // namespace
}  // namespace tallyman

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tallyman;
  if (size == 0) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      TryHead(bytes);
      break;
    case 1:
      TryMessages(bytes);
      break;
    case 2:
      TryEnvelopes(bytes);
      break;
    default:
      TryAnswers(bytes);
  }
  return 0;
}
