#include "compat/talk.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>
#include <regex>
#include <sstream>
#include <stdexcept>

#include "base/base64.h"

namespace tallyman::compat {
namespace {

namespace json = boost::json;

std::string TextOf(const json::value& value) { return std::string(value.as_string()); }

std::vector<Exchange> ExchangesOf(const json::value& list) {
  std::vector<Exchange> exchanges;
  for (const json::value& each : list.as_array()) {
    exchanges.push_back({.path = TextOf(each.at("path")),
                         .request = FromBase64(TextOf(each.at("request"))).value(),
                         .response = FromBase64(TextOf(each.at("response"))).value()});
  }
  return exchanges;
}

std::vector<std::string> TextsOf(const json::value& list) {
  std::vector<std::string> texts;
  for (const json::value& each : list.as_array()) texts.push_back(TextOf(each));
  return texts;
}

std::string Unchunked(std::string_view chunks) {
  std::string body;
  while (true) {
    const size_t line = chunks.find("\r\n");
    if (line == std::string_view::npos) return body;
    const size_t size = std::stoul(std::string(chunks.substr(0, line)), nullptr, 16);
    if (size == 0) return body;
    body += chunks.substr(line + 2, size);
    chunks.remove_prefix(std::min(chunks.size(), line + 2 + size + 2));
  }
}

}  // namespace

std::string ReadRecording(const std::string& name) {
  std::ifstream file(std::string(TALLYMAN_RECORDINGS) + "/" + name, std::ios::binary);
  if (!file) throw std::runtime_error("there is no recording " + name);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Talk ReadTalk() {
  const json::value all = json::parse(ReadRecording("talk.json"));
  Talk talk{.token = TextOf(all.at("token")),
            .join_token = TextOf(all.at("join_token")),
            .agent = ExchangesOf(all.at("agent")),
            .unknown_method = FromBase64(TextOf(all.at("unknown_method"))).value()};
  for (const json::value& each : all.at("commands").as_array()) {
    talk.commands.push_back({.words = TextsOf(each.at("words")),
                             .status = static_cast<int>(each.at("status").as_int64()),
                             .shows = TextsOf(each.at("shows")),
                             .exchanges = ExchangesOf(each.at("exchanges"))});
  }
  return talk;
}

std::string BodyOf(std::string_view message) {
  const size_t end = message.find("\r\n\r\n");
  if (end == std::string_view::npos) return {};
  const std::string_view body = message.substr(end + 4);
  std::string head(message.substr(0, end));
  std::ranges::transform(head, head.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return head.contains("transfer-encoding: chunked") ? Unchunked(body) : std::string(body);
}

int StatusOf(std::string_view response) { return std::stoi(std::string(response.substr(9, 3))); }

std::string Replaced(std::string text, std::string_view old, std::string_view now) {
  for (size_t at = 0; (at = text.find(old, at)) != std::string::npos; at += now.size())
    text.replace(at, old.size(), now);
  return text;
}

OldApi::OldApi() {
  if (!files_.ParseFromString(ReadRecording("api.desc"))) throw std::runtime_error("no api.desc");
  for (const auto& file : files_.file()) pool_.BuildFile(file);
}

std::unique_ptr<google::protobuf::Message> OldApi::Parse(const std::string& path,
                                                         const std::string& body) const {
  std::string name = path.substr(1);
  std::ranges::replace(name, '/', '.');
  const auto* method = pool_.FindMethodByName(name);
  if (method == nullptr) throw std::runtime_error("the release had no method " + name);
  std::unique_ptr<google::protobuf::Message> message(
      factory_.GetPrototype(method->output_type())->New());
  if (!message->ParseFromString(body)) throw std::runtime_error("this is no answer of " + name);
  return message;
}

std::string OldApi::Shown(const std::string& path, const std::string& body) const {
  static const std::regex kId("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}");
  static const std::regex kTime(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z)");
  static const std::regex kSecret("tallyman_[0-9a-f]{32}_[0-9a-f]{64}");
  static const std::regex kDigest("[0-9a-f]{64}");
  // How often a row has changed: marks that the release did not know count, too.
  static const std::regex kVersion(R"("version": "\d+")");
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  std::string text;
  const auto message = Parse(path, body);
  if (!google::protobuf::util::MessageToJsonString(*message, &text, options).ok())
    throw std::runtime_error("the answer of " + path + " has no form in JSON");
  text = std::regex_replace(text, kSecret, "SECRET");
  text = std::regex_replace(text, kDigest, "DIGEST");
  text = std::regex_replace(text, kVersion, R"("version": "N")");
  text = std::regex_replace(text, kId, "ID");
  return std::regex_replace(text, kTime, "TIME");
}

std::string OldApi::FieldOf(const std::string& path, const std::string& body,
                            const std::string& field) const {
  const auto message = Parse(path, body);
  return message->GetReflection()->GetString(*message,
                                             message->GetDescriptor()->FindFieldByName(field));
}

}  // namespace tallyman::compat
